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

    layers: int = 10_000
    """Layers of one image. Docker loads 125, and Linux stacks 500."""

    members: int = 1_000_000
    """Members of one archive."""

    directories: int = 350_000
    """Folders of one archive, also those that the names of members only imply.

    Three files for each layer, as Docker wrote them, are a third of the members.
    """

    name_bytes: int = 32 * MIB
    """All member names (each folder's name once) and link targets of one archive together: they are kept in memory until the documents have come."""

    header_bytes: int = MIB
    """One PAX or GNU extension header (Go's archive/tar has the same ceiling)."""

    json_bytes: int = 64 * MIB
    """One JSON document."""

    documents_bytes: int = 72 * MIB
    """All JSON documents of one archive together: they are compared with each other, and so are in memory together."""

    json_values: int = 250_000
    """Values of one JSON document, containers included, empty ones twice (docs/adr/0008)."""

    json_string_bytes: int = 16 * MIB
    """One string that is taken from a JSON document, as written.

    Linux itself passes no argument or variable longer than 128 KiB to a process.
    """

    json_memory_bytes: int = 72 * MIB
    """What one JSON document takes in memory: its text, its values and its strings."""

    json_depth: int = 10_000
    """Nesting of one JSON document (Go's encoding/json has the same ceiling)."""

    inline_bytes: int = 8 * MIB
    """A document up to this size is kept in the database; a larger one is a blob."""

    links: int = 255
    """Symbolic links followed while resolving one path."""


DEFAULT_LIMITS: Final = Limits()
