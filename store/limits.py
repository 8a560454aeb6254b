"""Ceilings that keep hostile or broken input from exhausting the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

MIB: Final = 1024 * 1024
GIB: Final = 1024 * MIB


@final
@dataclass(frozen=True, slots=True)
class Limits:
    """What an import accepts at most. Every field has its unit in its name."""

    layer_bytes: int = 1024 * GIB
    """One layer, decompressed."""

    members: int = 1_000_000
    """Members of one archive."""

    name_bytes: int = 256 * MIB
    """All member names and link targets of one archive together."""

    header_bytes: int = MIB
    """One PAX or GNU extension header (Go's archive/tar has the same ceiling)."""

    json_bytes: int = 64 * MIB
    """One JSON document."""

    json_depth: int = 10_000
    """Nesting of one JSON document (Go's encoding/json has the same ceiling)."""

    inline_bytes: int = 8 * MIB
    """A document up to this size is kept in the database; a larger one is a blob."""

    links: int = 255
    """Symbolic links followed while resolving one path."""


DEFAULT_LIMITS: Final = Limits()
