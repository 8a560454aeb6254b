"""Checks that a foreign encoding decodes to its digest both as a stream and frame by frame.

A zstd blob can be decoded in two ways: as a stream, or frame by frame with its seek table. A client
can make a blob for which both ways succeed with different results. So the check decodes the blob in
both ways and compares the results. The check also follows the frames block by block. Each frame
must have the place and size that the seek table says. No bytes may lie between two frames, because
only a stream would decode these bytes.

Spec: RFC 8878 section 3.1.2 (skippable frames).
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from store.content.frames import Frames
from store.content.stored import undecodable
from store.content.streams import stream
from store.errors import DamagedContent, InvalidInput
from store.formats.compression.zstd_blocks import is_one_frame
from store.model.limits import MIB

if TYPE_CHECKING:
    from store.blobs.protocol import OpenBlob
    from store.formats.compression.memory import MemoryBudget
    from store.model.contents import Codec, StoredEncoding
    from store.model.digests import Digest

_PIECE_BYTES = MIB


def decodes_to(
    blob: OpenBlob, codec: Codec, content: Digest, content_bytes: int, memory: MemoryBudget
) -> bool:
    """Return whether a blob, decoded as a stream, has the expected digest and size.

    Args:
        blob: The open blob; the caller closes it.
        codec: The codec of the blob.
        content: The expected digest of the decoded bytes.
        content_bytes: The expected size of the decoded bytes.
        memory: The budget for the memory of the decoder.

    Raises:
        DecodersBusy: Other decoders use the memory.
        Unavailable: There is not enough memory.
    """
    hashed = hashlib.new(content.algorithm, usedforsecurity=False)
    size = 0
    try:
        with memory.lease() as lease:
            for piece in stream(blob, codec, max_bytes=content_bytes, memory=lease):
                hashed.update(piece)
                size += len(piece)
    except InvalidInput as exc:
        problem = undecodable(content, exc)
        if isinstance(problem, DamagedContent):
            return False
        raise problem from exc
    return size == content_bytes and hashed.hexdigest() == content.hex


def has_sound_frames(
    blob: OpenBlob,
    stored: StoredEncoding,
    content: Digest,
    content_bytes: int,
    memory: MemoryBudget,
) -> bool:
    """Return whether a blob, decoded with its seek table, has the expected digest and size.

    Args:
        blob: The open blob; the caller closes it.
        stored: The encoding as the catalogue records it; its field ``seekable`` is not used.
        content: The expected digest of the decoded bytes.
        content_bytes: The expected size of the decoded bytes.
        memory: The budget for the memory of the seek table.

    Raises:
        DecodersBusy: Other decoders use the memory.
    """
    with memory.lease() as lease:
        frames = Frames.of(blob, replace(stored, seekable=True), content_bytes, lease)
        return frames is not None and _have_digest(frames, content)


def _have_digest(frames: Frames, content: Digest) -> bool:
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
    """Return whether the bytes of a blob have the expected digest.

    Args:
        blob: The open blob; the caller closes it.
        digest: The expected digest.
    """
    hashed = hashlib.new(digest.algorithm, usedforsecurity=False)
    position = 0
    while data := blob.pread(position, _PIECE_BYTES):
        position += len(data)
        hashed.update(data)
    return hashed.hexdigest() == digest.hex
