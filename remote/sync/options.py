"""How a sync runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, final

from remote.sync.sources import Parts

if TYPE_CHECKING:
    from store.model.platforms import Platform

KIND: Final = "sync"
"""The kind of the operations of a sync, which the log of references shows."""


@final
@dataclass(frozen=True, slots=True)
class SyncOptions:
    """How a sync runs.

    Attributes:
        run: The 12 hexadecimal digits that name the run in the log of references.
        machine: The platform of this machine.
        parts: What of an image is taken if the file does not say.
        jobs: How many blobs are downloaded, and how many questions are asked at once.
        max_age: How long an answer of a registry holds.
        is_plan: Whether to change nothing.
        prunes: Whether to remove tags that are no longer listed, also where the file does not say
            so.
        verifies: Whether to decode the layers of pulled images at once, and to refuse an image
            whose config lists other layers.
    """

    run: str
    machine: Platform
    parts: Parts = field(default_factory=Parts)
    jobs: int = 6
    max_age: timedelta = timedelta(0)
    is_plan: bool = False
    prunes: bool = False
    verifies: bool = False

    @property
    def name(self) -> str:
        """The name of the run, with which the IDs of its operations begin."""
        return f"{KIND}-{self.run}"
