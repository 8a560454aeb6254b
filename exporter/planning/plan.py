"""The plan of an archive: the entries in their order, with all sizes known before writing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from pathlib import Path

    from exporter.options import Format
    from exporter.selection.graph import SavedGraph
    from store.model.contents import Sources
    from store.model.digests import ImageID

BLOCK: Final = 512
END: Final = 2 * BLOCK
"""The length of the archive's end in bytes: two zero blocks, no padding (docker-archive.md §4)."""

NAME_BYTES: Final = 100
"""The length of a header's name field in bytes. The names in saved archives are ASCII."""

LARGEST_OCTAL: Final = 8**11 - 1
"""The largest number that eleven octal digits hold; a larger number needs a PAX record."""


class EntryType(Enum):
    """The types of entries in saved archives, by their type flag."""

    FILE = b"0"
    SYMLINK = b"2"
    DIRECTORY = b"5"


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """One member of an archive.

    Attributes:
        path: The member's name in the archive. A folder's name ends with a slash.
        type: The member's type.
        mode: The mode field of the member's header.
        mtime_s: The modification time in Unix seconds.
        size_bytes: The size of a file; 0 for every other type.
        source: The file's bytes, or the stored content or the file on disk with these bytes.
        link: The target of a symbolic link.
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
        """The number of bytes the member adds to the archive: headers, data and padding."""
        records = len(self.records())
        return (2 * BLOCK + padded(records) if records else BLOCK) + padded(self.size_bytes)

    def records(self) -> bytes:
        """Return the PAX records for values that do not fit into the ustar header, by key."""
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
    """Return one PAX record (POSIX.1-2017, pax). The length in a record counts its own digits."""
    body = f" {key}={value}\n".encode()
    length = len(body) + len(str(len(body)))
    if len(str(length)) > len(str(len(body))):
        length += 1
    return b"%d%s" % (length, body)


def padded(size_bytes: int) -> int:
    """Return ``size_bytes`` rounded up to whole blocks of 512 bytes."""
    return -(-size_bytes // BLOCK) * BLOCK


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """The entries of an archive, in the order they are written.

    Attributes:
        entries: The members in archive order.
        notes: Notes for the user about the archive, one sentence each.
        owner: The user name in every header, which is also the group name.
    """

    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()
    owner: str = "root"

    @property
    def size_bytes(self) -> int:
        """The archive's exact length in bytes."""
        return sum(entry.archived_bytes for entry in self.entries) + END


@final
@dataclass(frozen=True, slots=True)
class PlannedSave:
    """A planned archive and the stored content in it.

    Attributes:
        format: The archive's format.
        plan: The entries of the archive.
        images: The IDs of the images in the archive, each once.
        targets: The image ID or digest of each saved root, as the store's events record it.
        contents: The sources of all stored content in the archive, manifests and indexes included.
        graph: The manifests in the archive and everything below them, or None for the format
            legacy, which has no manifests.
    """

    format: Format
    plan: Plan
    images: tuple[ImageID, ...]
    targets: tuple[str, ...]
    contents: tuple[Sources, ...]
    graph: SavedGraph | None = None
