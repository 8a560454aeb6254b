"""Decoding of stored blobs, to compare what they decode to with the catalogue."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

from store.blobs.memory import OpenBytes
from store.content.frames import Frames
from store.content.stored import open_stored
from store.content.streams import stream
from store.errors import DamagedContent, InvalidInput
from store.model.contents import Codec, StoredEncoding
from store.model.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from store.blobs.protocol import BlobStore
    from store.formats.compression.memory import MemoryBudget
    from store.model.digests import Digest

_CODECS: Final = frozenset(Codec) - {Codec.IDENTITY}


@final
@dataclass(frozen=True, slots=True)
class Encoded:
    """What a row of encodings says about a blob; all values make sense.

    Attributes:
        content: The digest of the decoded bytes.
        size_bytes: The number of decoded bytes.
        stored: The blob, and how it is decoded.
    """

    content: Digest
    size_bytes: int
    stored: StoredEncoding


def encoded(row: Any, content: Digest, stored: Digest, stored_bytes: int) -> Encoded | None:  # noqa: ANN401 - a raw row
    """Return a raw row of encodings as values; None if the row makes no sense.

    Args:
        row: A row of `store.catalog.checking.raw_rows.encodings`.
        content: The digest of the decoded bytes.
        stored: The digest of the blob.
        stored_bytes: The size of the blob.
    """
    if row.codec not in _CODECS or not isinstance(row.size_bytes, int) or row.size_bytes < 0:
        return None
    flags = (row.seekable, row.ours, row.checked)
    if any(flag not in (0, 1) for flag in flags):
        return None
    seekable, ours, checked = map(bool, flags)
    return Encoded(
        content,
        row.size_bytes,
        StoredEncoding(
            stored, Codec(row.codec), stored_bytes, seekable, is_ours=ours, is_checked=checked
        ),
    )


@final
@dataclass(frozen=True, slots=True)
class Decoded:
    """The result of decoding a small blob.

    Attributes:
        is_right: Whether the decoded bytes have the digest and size of the catalogue.
        has_frames: Whether the blob has the seek table that the catalogue says it has.
    """

    is_right: bool
    has_frames: bool = True


def decode_small(data: bytes, one: Encoded, memory: MemoryBudget) -> Decoded:
    """Decode a blob in memory as readers do, and compare the result.

    Args:
        data: The stored bytes, which have their digest.
        one: What the catalogue says about them.
        memory: The budget for the memory of the decoder.

    Raises:
        Unavailable: There is not enough memory.
    """
    blob = OpenBytes(data)
    hashed = hashlib.new(one.content.algorithm, usedforsecurity=False)
    size = 0
    try:
        with memory.lease() as lease:
            frames = Frames.of(blob, one.stored, one.size_bytes, lease)
            if frames is None:
                pieces = stream(blob, one.stored.codec, max_bytes=one.size_bytes, memory=lease)
            else:
                pieces = (frames.decode(frame, frames.read(frame)) for frame in frames.index)
            for piece in pieces:
                hashed.update(piece)
                size += len(piece)
    except (DamagedContent, InvalidInput):
        return Decoded(is_right=False)
    return Decoded(
        size == one.size_bytes and hashed.hexdigest() == one.content.hex,
        has_frames=frames is not None or not one.stored.seekable,
    )


def has_frames(blobs: BlobStore, one: Encoded, memory: MemoryBudget) -> bool:
    """Return whether a blob has the seek table that the catalogue says it has.

    Args:
        blobs: The blob store that holds the blob.
        one: What the catalogue says about the blob.
        memory: The budget for the memory of the seek table.

    Raises:
        ContentMissing: The blob is missing.
        Unavailable: The blob cannot be read.
    """
    if not one.stored.seekable:
        return True
    with open_stored(blobs, one.stored.digest) as blob, memory.lease() as lease:
        return Frames.of(blob, one.stored, one.size_bytes, lease) is not None


def wrong_row(blobs: BlobStore, one: Encoded, memory: MemoryBudget) -> str | None:
    """Return what is wrong in the rows of a blob that does not decode as they say.

    The blob is decoded once more with every codec, and without the size in the catalogue. If it
    decodes to the right digest, its bytes are right, and nothing is lost.

    Args:
        blobs: The blob store that holds the blob.
        one: What the catalogue says about the blob, whose stored bytes have their digest.
        memory: The budget for the memory of the decoder.

    Returns:
        The fact; None if the blob does not decode to this content.

    Raises:
        ContentMissing: The blob is missing.
        Unavailable: The blob cannot be read.
    """
    said = one.stored.codec
    for codec in sorted(_CODECS, key=lambda some: some is not said):
        hashed = hashlib.new(one.content.algorithm, usedforsecurity=False)
        size = 0
        try:
            with open_stored(blobs, one.stored.digest) as blob, memory.lease() as lease:
                most = DEFAULT_LIMITS.layer_bytes
                for piece in stream(blob, codec, max_bytes=most, memory=lease):
                    hashed.update(piece)
                    size += len(piece)
        except (DamagedContent, InvalidInput):
            continue
        if hashed.hexdigest() == one.content.hex:
            if size != one.size_bytes:
                return f"has {size} bytes, and the catalogue says {one.size_bytes}"
            if codec is not said:
                return f"is encoded with {codec.value}, and the catalogue says {said.value}"
            return "decodes as a stream, but not by its seek table"
    return None
