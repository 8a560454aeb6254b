"""Archives as lists of members, and functions that write the members as a tar or a folder."""

from __future__ import annotations

import io
import os
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FILE: Final = tarfile.REGTYPE
DIRECTORY: Final = tarfile.DIRTYPE
SYMLINK: Final = tarfile.SYMTYPE
HARDLINK: Final = tarfile.LNKTYPE
FIFO: Final = tarfile.FIFOTYPE
DEVICE: Final = tarfile.CHRTYPE


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """A member of a tar."""

    name: str
    data: bytes = b""
    kind: bytes = FILE
    link: str = ""


Entries = list[Entry]


def entries_of(archive: bytes) -> Entries:
    """Return the members of a valid archive."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return [
            Entry(
                member.name,
                (tar.extractfile(member) or io.BytesIO()).read() if member.isreg() else b"",
                member.type,
                member.linkname,
            )
            for member in tar
        ]


def packed(entries: Sequence[Entry]) -> bytes:
    """Return a tar with the entries in the given order."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for entry in entries:
            info = tarfile.TarInfo(entry.name)
            info.type, info.linkname, info.size = entry.kind, entry.link, len(entry.data)
            tar.addfile(info, io.BytesIO(entry.data))
    return out.getvalue()


def unpacked(entries: Sequence[Entry], folder: Path) -> Path:
    """Write the entries that a folder can hold into a new folder; return the folder's path."""
    folder.mkdir(parents=True)
    for entry in entries:
        path = folder / entry.name.lstrip("/")
        if ".." in path.parts or path == folder or "\0" in entry.name:
            continue
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if entry.kind == FILE and not path.is_fifo():
                # Opening an existing FIFO, also through a link, would wait for a reader.
                path.write_bytes(entry.data)
            elif entry.kind == SYMLINK:
                path.symlink_to(entry.link)
            elif entry.kind == DIRECTORY:
                path.mkdir(exist_ok=True)
            elif entry.kind == FIFO:
                os.mkfifo(path)
        except (OSError, ValueError):
            # The path exists already or is below a file: a folder cannot hold both.
            continue
    return folder
