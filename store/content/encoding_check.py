"""The check that a foreign encoding decodes to its content in every way that readers decode it.

A zstd blob can be read in two ways: as a stream, or frame by frame as its seek table says. Bytes
that a client made can be valid in both and give different contents. So both are decoded and
compared, and the frames are followed block by block: each fills its place in the table, and nothing
lies between them that one way sees and the other one passes over.

Spec: RFC 8878 section 3.1.2 (skippable frames).
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from store.content.frames import Frames
from store.errors import DamagedContent, InvalidInput
from store.formats.compression.decoders import decoder
from store.formats.compression.zstd_blocks import is_one_frame
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.blobs.protocol import OpenBlob
    from store.model.contents import Codec, StoredEncoding
    from store.model.digests import Digest

_PIECE_BYTES = MIB


def stream(blob: OpenBlob, codec: Codec, *, max_bytes: int) -> Iterator[bytes]:
    """Decode a whole blob as a stream, from its first byte.

    Args:
        blob: The open blob.
        codec: Its codec.
        max_bytes: The ceiling for the decoded total.

    Raises:
        InvalidInput: The blob does not decode, or decodes to more than the ceiling.
    """
    decode = decoder(codec, max_bytes=max_bytes)
    position = 0
    while data := blob.pread(position, _PIECE_BYTES):
        position += len(data)
        yield from decode.feed(data)
    yield from decode.finish()


def decodes_to(blob: OpenBlob, codec: Codec, content: Digest, content_bytes: int) -> bool:
    """Return whether a blob decodes to a content as a stream.

    Args:
        blob: The open blob.
        codec: Its codec.
        content: The digest of the content.
        content_bytes: The size of the content.
    """
    hashed = hashlib.new(content.algorithm, usedforsecurity=False)
    size = 0
    try:
        for piece in stream(blob, codec, max_bytes=content_bytes):
            hashed.update(piece)
            size += len(piece)
    except InvalidInput:
        return False
    return size == content_bytes and hashed.hexdigest() == content.hex


def has_sound_frames(
    blob: OpenBlob, stored: StoredEncoding, content: Digest, content_bytes: int
) -> bool:
    """Return whether the frames of a blob, read by its seek table, are exactly a content.

    Args:
        blob: The open blob.
        stored: What is known of the blob; whether it is seekable is what this tells.
        content: The digest of the content.
        content_bytes: The size of the content.
    """
    frames = Frames.of(blob, replace(stored, seekable=True), content_bytes)
    if frames is None:
        return False
    hashed = hashlib.new(content.algorithm, usedforsecurity=False)
    try:
        for frame in frames.index:
            data = frames.read(frame)
            if not is_one_frame(data, frame.content_bytes):
                return False
            hashed.update(frames.decode(frame, data))
    except DamagedContent:
        return False
    return hashed.hexdigest() == content.hex


def has_digest(blob: OpenBlob, digest: Digest) -> bool:
    """Return whether the bytes of a blob have a digest.

    Args:
        blob: The open blob.
        digest: The digest.
    """
    hashed = hashlib.new(digest.algorithm, usedforsecurity=False)
    position = 0
    while data := blob.pread(position, _PIECE_BYTES):
        position += len(data)
        hashed.update(data)
    return hashed.hexdigest() == digest.hex
