"""How layers are compressed when they are stored."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Self, final

from store.errors import InvalidInput
from store.model.limits import MIB

FRAME_BYTES: Final = 4 * MIB


DEFAULT_LEVEL: Final = 2
"""A fifth faster than 3 and still smaller than gzip, which 1 is not (docs/benchmarks/findings.md)."""


_LEVELS: Final = range(1, 20)


_SPEC: Final = re.compile(r"zstd(?::(?P<level>[0-9]{1,2}))?")


@final
@dataclass(frozen=True, slots=True)
class Compression:
    """How uncompressed layers are stored: the ``level`` of zstd, or None for as they are."""

    level: int | None = DEFAULT_LEVEL

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``none``, ``zstd`` or ``zstd:LEVEL``. Raises InvalidInput."""
        if text == "none":
            return cls(None)
        match = _SPEC.fullmatch(text)
        level = int(match["level"] or DEFAULT_LEVEL) if match else 0
        if level not in _LEVELS:
            raise InvalidInput(
                f"unknown compression {text!r}",
                hint=(
                    f"expected none, zstd or zstd:LEVEL with a level from {_LEVELS[0]} to"
                    f" {_LEVELS[-1]}"
                ),
            )
        return cls(level)

    def __str__(self) -> str:
        return "none" if self.level is None else f"zstd:{self.level}"
