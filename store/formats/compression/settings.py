"""The setting for the compression of stored layers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self, final

from store.errors import InvalidInput
from store.model.limits import MIB

FRAME_BYTES: Final = 4 * MIB
"""How many uncompressed bytes one zstd frame of a stored layer holds."""

DEFAULT_LEVEL: Final = 2
"""Level 2 is a fifth faster than level 3, and smaller than gzip (docs/benchmarks/findings.md)."""

_LEVELS: Final = range(1, 20)
_SPEC: Final = re.compile(r"zstd(?::(?P<level>[0-9]{1,2}))?")


@final
@dataclass(frozen=True, slots=True)
class Compression:
    """The form of stored plain layers: zstd with ``level``, or unchanged if ``level`` is None."""

    level: int | None = DEFAULT_LEVEL

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``none``, ``zstd`` or ``zstd:LEVEL``.

        Raises:
            InvalidInput: The text has a different form, or the level is out of range.
        """
        if text == "none":
            return cls(None)
        match = _SPEC.fullmatch(text)
        level = int(match["level"] or DEFAULT_LEVEL) if match else 0
        if level not in _LEVELS:
            raise InvalidInput(
                f"invalid compression {text!r}",
                hint=(
                    "expected none, zstd or zstd:LEVEL with a level from"
                    f" {_LEVELS[0]} to {_LEVELS[-1]}"
                ),
            )
        return cls(level)

    def __str__(self) -> str:
        return "none" if self.level is None else f"zstd:{self.level}"
