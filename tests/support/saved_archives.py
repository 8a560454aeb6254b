"""Comparison of saved archives, without the bytes in which two saves by Docker may differ.

docker-archive.md §3, §4 and §9 name these bytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final, final

BLOCK: Final = 512
TIME: Final = slice(136, 148)
CHECKSUM: Final = slice(148, 156)
PAX_TIME: Final = b"mtime="
BLOBS: Final = "blobs/sha256/"


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """A member: the PAX header before it (empty if there is none), its header and padded data."""

    header: bytes
    extension: bytes
    data: bytes

    @property
    def name(self) -> str:
        return self.header[:100].rstrip(b"\0").decode()

    @property
    def is_symlink(self) -> bool:
        return self.header[156:157] == b"2"


def entries(archive: bytes) -> tuple[list[Entry], bytes]:
    """Return the members of a saved archive, and the bytes after the last member.

    Raises:
        ValueError: The bytes are not an archive as Docker saves it.
    """
    found = []
    extension = b""
    at = 0
    while at + BLOCK <= len(archive) and archive[at : at + BLOCK] != bytes(BLOCK):
        header = archive[at : at + BLOCK]
        if header[257:262] != b"ustar":
            raise ValueError(f"byte {at} is not the start of a tar header")
        end = at + BLOCK + -(-int(header[124:135], 8) // BLOCK) * BLOCK
        if header[156:157] == b"x":
            extension = archive[at:end]
        else:
            found.append(Entry(header, extension, archive[at + BLOCK : end]))
            extension = b""
        at = end
    return found, archive[at:]


def without_clock_times(archive: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """Return an archive in pieces, without the times where Docker writes the time of the save.

    These are the times of directories whose layer is a link, and of the blobs' folder. A time that
    is too late for the header is in a PAX header, which is left out as a whole.
    """
    found, end = entries(archive)
    linked = {entry.name.partition("/")[0] for entry in found if entry.is_symlink}
    pieces = []
    for entry in found:
        header, extension = bytearray(entry.header), entry.extension
        if entry.name == BLOBS or entry.name.partition("/")[0] in linked:
            header[TIME], header[CHECKSUM] = bytes(12), bytes(8)
            if extension[BLOCK:].rstrip(b"\0").count(b"\n") == 1 and PAX_TIME in extension[BLOCK:]:
                extension = b""
        pieces.append((bytes(header), extension, entry.data))
    return [*pieces, (b"", b"", end)]


def difference(docker: bytes, ours: bytes) -> str | None:
    """Return where two archives differ, or None.

    Differences that may also occur between two saves by Docker do not count.
    """
    if docker == ours:
        return None
    try:
        theirs, mine = without_clock_times(docker), without_clock_times(ours)
    except ValueError as exc:
        return str(exc)
    for one, other in zip(theirs, mine, strict=False):
        for what, want, got in zip(("header", "PAX header", "data"), one, other, strict=True):
            if want != got:
                at = next(
                    (place for place, (a, b) in enumerate(zip(want, got, strict=False)) if a != b),
                    min(len(want), len(got)),
                )
                around = slice(max(0, at - 60), at + 60)
                name = one[0][:100].rstrip(b"\0").decode() or "the end"
                return (
                    f"{what} of {name}, byte {at}:\n  docker   {want[around]!r}\n  storectl"
                    f" {got[around]!r}"
                )
    return (
        f"docker wrote {len(theirs) - 1} members, storectl {len(mine) - 1}"
        if len(theirs) != len(mine)
        else None
    )


def saved_images(archive: bytes) -> dict[str, tuple[str, ...]]:
    """Return the tags of each image in a saved archive, by bare ID and in the archive's order."""
    found, _ = entries(archive)
    manifest = json.loads(
        next(entry.data for entry in found if entry.name == "manifest.json").rstrip(b"\0")
    )
    return {
        image["Config"].rpartition("/")[2].removesuffix(".json"): tuple(image["RepoTags"] or ())
        for image in manifest or ()
    }


def saved_names(archive: bytes) -> list[str]:
    """Return a name for each image, in the order of the archive (Docker's order is random)."""
    return [name for image_id, tags in saved_images(archive).items() for name in tags or [image_id]]


def without_manifest(archive: bytes) -> bytes:
    """Return an archive without its ``manifest.json``, as before Docker 1.10 (§7)."""
    found, end = entries(archive)
    return (
        b"".join(
            entry.extension + entry.header + entry.data
            for entry in found
            if entry.name != "manifest.json"
        )
        + end
    )
