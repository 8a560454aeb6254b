"""Read the stored bytes of a digest again, and say what is known about them.

This module alone decides that stored bytes are damaged: their digest was computed, and it is wrong.
An error of the operating system says nothing about the bytes. The disk may answer the next time, a
file system may be mounted again, and the owner of a file may be corrected.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, final

from store.errors import Unavailable
from store.model.digests import Digest
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from store.blobs.protocol import BlobStore, OpenBlob
    from store.model.contents import Sources

PIECE_BYTES: Final = MIB
"""How many bytes of a blob are read at once."""


@final
class Condition(Enum):
    """The condition of the stored bytes of a digest."""

    SOUND = auto()
    """All bytes were read, and they have the digest."""

    DAMAGED = auto()
    """All bytes were read, and they have a different digest."""

    MISSING = auto()
    """There is no file. It may come back, for example with a backup."""

    UNREADABLE = auto()
    """The bytes cannot be read now, so nothing is known about them."""


@final
@dataclass(frozen=True, slots=True)
class Examination:
    """The result of reading stored bytes again.

    Attributes:
        condition: What is known about the bytes.
        reason: Why the bytes are not sound, in words; empty if they are.
        size_bytes: The number of bytes that were read.
        stamp: The stamp of the blob that was read (`store.blobs.protocol.OpenBlob`); None if no
            blob was read.
    """

    condition: Condition
    reason: str = ""
    size_bytes: int = 0
    stamp: object = None


def pieces(blob: OpenBlob) -> Iterator[bytes]:
    """Yield the bytes of a blob from its first byte, in pieces of 1 MiB."""
    while piece := blob.read(PIECE_BYTES):
        yield piece


def examine(
    blobs: BlobStore, sources: Sources, read: Callable[[OpenBlob], Iterator[bytes]] = pieces
) -> Examination:
    """Hash the bytes that are stored under a digest itself, in the catalogue or in a file.

    Args:
        blobs: The blob store that holds the files.
        sources: The stored forms of the digest. Encodings are not read.
        read: Yields all bytes of an open blob; by default as fast as possible.
    """
    digest = sources.digest
    hashed = hashlib.new(digest.algorithm, usedforsecurity=False)
    if sources.inline is not None:
        hashed.update(sources.inline)
        return _compared(sources, hashed.hexdigest(), len(sources.inline), None)
    try:
        if blobs.size(blobs.location(digest)) is None:
            return Examination(Condition.MISSING, "its file is missing")
        blob = blobs.open(blobs.location(digest))
        if blob is None:
            return Examination(Condition.MISSING, "its file is missing")
        with blob:
            size = 0
            for piece in read(blob):
                hashed.update(piece)
                size += len(piece)
            return _compared(sources, hashed.hexdigest(), size, blob.stamp)
    except Unavailable as exc:
        return Examination(Condition.UNREADABLE, f"cannot be read: {exc.message}")
    except MemoryError:
        return Examination(Condition.UNREADABLE, "cannot be read: there is not enough memory")


def _compared(sources: Sources, got: str, size: int, stamp: object) -> Examination:
    digest = sources.digest
    if got == digest.hex:
        return Examination(Condition.SOUND, "", size, stamp)
    if sources.inline is not None:
        reason = "the bytes in the catalogue have a different digest"
    else:
        reason = (
            f"its file has {size} of {sources.size_bytes} bytes; their digest is"
            f" {Digest(digest.algorithm, got)}"
        )
    return Examination(Condition.DAMAGED, reason, size, stamp)


def is_unchanged(blobs: BlobStore, digest: Digest, stamp: object) -> bool:
    """Return whether the file of a digest is still the file that was examined.

    Args:
        blobs: The blob store that holds the file.
        digest: The digest of the file.
        stamp: The stamp of the examination.

    Raises:
        Unavailable: The file cannot be opened.
    """
    blob = blobs.open(blobs.location(digest))
    if blob is None:
        return False
    with blob:
        return blob.stamp == stamp
