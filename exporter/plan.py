"""What an archive will be, before its first byte: entries in order, every size known."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from pathlib import Path

    from store.catalog.content import Sources

BLOCK: Final = 512
END: Final = 2 * BLOCK
"""Two zero blocks, and no padding to a record (docker-archive.md §4)."""

LARGEST_OCTAL: Final = 8**11 - 1
"""What eleven octal digits hold; beyond it a PAX record is needed."""

LONGEST_NAME: Final = 100
"""Bytes in the field for a path; a sha512 blob's is longer, and its last part alone does not fit (so that ustar's prefix is of no use)."""


class EntryType(Enum):
    """The kinds of entries we write, by their type flag."""

    FILE = b"0"
    SYMLINK = b"2"
    DIRECTORY = b"5"


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """One member: ``source`` is its bytes, or the content or file with them. ``size_bytes`` is 0 for anything but a file; ``mtime_s`` is in Unix seconds."""

    path: str
    type: EntryType
    mode: int
    mtime_s: int
    size_bytes: int = 0
    source: bytes | Sources | Path | None = None
    link: str = ""

    @property
    def archived_bytes(self) -> int:
        """What the member takes in the archive: headers, data and padding."""
        return BLOCK * (3 if self.needs_pax else 1) + padded(self.size_bytes)

    @property
    def needs_pax(self) -> bool:
        """Whether a number or the path does not fit its field."""
        return self.mtime_s > LARGEST_OCTAL or self.size_bytes > LARGEST_OCTAL or len(self.path.encode()) > LONGEST_NAME


def padded(size_bytes: int) -> int:
    """``size_bytes`` rounded up to whole blocks."""
    return -(-size_bytes // BLOCK) * BLOCK


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """An archive: its entries in the order they are written. ``notes`` are for the person who asked; ``owner`` is the name in every header."""

    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()
    owner: str = "root"

    @property
    def size_bytes(self) -> int:
        """The archive's exact length."""
        return sum(entry.archived_bytes for entry in self.entries) + END
