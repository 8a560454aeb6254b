"""How much stays of what a server has pulled through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from datetime import timedelta


@final
@dataclass(frozen=True, slots=True)
class CacheLimits:
    """How much a collection keeps of what was pulled through from upstream registries."""

    max_age: timedelta | None = None
    """How long a tag stays after its last use; None for no limit."""

    max_bytes: int | None = None
    """The size of the images of all tags that were pulled through; None for no limit."""

    @property
    def is_set(self) -> bool:
        """Whether there is any limit."""
        return self.max_age is not None or self.max_bytes is not None
