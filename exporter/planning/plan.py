"""What an archive will be, before its first byte: entries in order, every size known."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from pathlib import Path

    from store.model.contents import Sources

BLOCK: Final = 512
END: Final = 2 * BLOCK
"""Two zero blocks, and no padding to a record (docker-archive.md §4)."""

NAME_BYTES: Final = 100
"""What the name field holds. Our names are ASCII."""

LARGEST_OCTAL: Final = 8**11 - 1
"""What eleven octal digits hold; beyond it a PAX record is needed."""


class EntryType(Enum):
    """The kinds of entries we write, by their type flag."""

    FILE = b"0"
    SYMLINK = b"2"
    DIRECTORY = b"5"


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """One member: ``source`` is its bytes, or the content or file with them.

    ``size_bytes`` is 0 for anything but a file; ``mtime_s`` is in Unix seconds.
    """

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
        records = len(self.records())
        return (2 * BLOCK + padded(records) if records else BLOCK) + padded(self.size_bytes)

    def records(self) -> bytes:
        """The extended header's records for what does not fit the plain one, in the order of their keys; often none."""
        if (
            self.mtime_s <= LARGEST_OCTAL
            and self.size_bytes <= LARGEST_OCTAL
            and len(self.path) <= NAME_BYTES
        ):
            return b""
        fields = (
            ("mtime", self.mtime_s, self.mtime_s > LARGEST_OCTAL),
            ("path", self.path, len(self.path) > NAME_BYTES),
        )
        numbers = (*fields, ("size", self.size_bytes, self.size_bytes > LARGEST_OCTAL))
        return b"".join(_record(key, value) for key, value, wanted in numbers if wanted)


def _record(key: str, value: object) -> bytes:
    """One PAX record; its length counts its own digits (POSIX.1-2017, pax, "Extended Header")."""
    body = f" {key}={value}\n".encode()
    length = len(body) + len(str(len(body)))
    if len(str(length)) > len(str(len(body))):
        length += 1
    return b"%d%s" % (length, body)


def padded(size_bytes: int) -> int:
    """``size_bytes`` rounded up to whole blocks."""
    return -(-size_bytes // BLOCK) * BLOCK


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """An archive: its entries in the order they are written.

    ``notes`` are for the person who asked; ``owner`` is the name in every header.
    """

    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()
    owner: str = "root"

    @property
    def size_bytes(self) -> int:
        """The archive's exact length."""
        return sum(entry.archived_bytes for entry in self.entries) + END
