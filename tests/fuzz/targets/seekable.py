"""Seekable zstd: reading by the seek table gives the bytes of a plain decoder, or an error.

The input is a stored file: frames, then a seek table, which may be wrong. The first byte chooses
the part to read.
"""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, Final

import zstandard

from store.blobs.memory import MemoryBlobs
from store.content.blocks import open_blocks
from store.content.reader import Reader
from store.errors import CorruptStream, StoreError
from store.formats.compression.decoders import decoder
from store.formats.compression.seekable_zstd import (
    FOOTER_BYTES,
    read_table,
    seek_table,
    table_bytes,
)
from store.model.contents import Codec, ContentState, Sources, StoredEncoding
from store.model.digests import Digest

if TYPE_CHECKING:
    from store.blobs.protocol import BlobStore

MAX_BYTES: Final = 2048
CEILING: Final = 1 << 20


def _frames(*contents: bytes) -> tuple[bytes, list[tuple[int, int]]]:
    frames = [
        zstandard.ZstdCompressor(write_checksum=True).compress(content) for content in contents
    ]
    return b"".join(frames), [
        (len(frame), len(one)) for frame, one in zip(frames, contents, strict=True)
    ]


_BODY, _TABLE = _frames(b"alpha" * 50, b"", bytes(700), b"omega")
SEEDS: Final = (
    b"\0" + _BODY + seek_table(_TABLE),
    b"\x35" + _BODY + seek_table([*_TABLE[:1], (_TABLE[1][0] + _TABLE[2][0], 700), *_TABLE[3:]]),
    b"\x81" + _BODY + seek_table(_TABLE[::-1]),
    b"\x99" + _BODY + seek_table([]),
    b"\x10" + _BODY,
    b"\x22" + seek_table([(0, 0)] * 5),
    b"\x42" + seek_table(_TABLE)[:-9] + b"\x04\0\0\0\x80\xb1\xea\x92\x8f",
)
TOKENS: Final = (
    b"\x5e\x2a\x4d\x18",
    b"\xb1\xea\x92\x8f",
    b"\x28\xb5\x2f\xfd",
    b"\x80\xb1\xea\x92\x8f",
    b"\0\0\0\0",
    b"\xff\xff\xff\x7f",
    b"\x04\0\0\0\0",
)
_READER: Final = Reader(MemoryBlobs(), 1)


def check(data: bytes) -> None:
    """Read the whole file and a part of it, with and without the table."""
    choice, stored = (data[:1] or b"\0")[0], data[1:]
    _table(stored)
    whole = _plain(stored)
    size = len(whole) if whole is not None else choice
    digest = Digest("sha256", hashlib.sha256(stored).hexdigest())
    blobs = MemoryBlobs({digest: stored})
    _READER._blobs = blobs
    sources = Sources(
        Digest.of(b"content"),
        size,
        ContentState.PRESENT,
        None,
        in_file=False,
        encodings=(StoredEncoding(digest, Codec.ZSTD, len(stored), seekable=True),),
    )
    try:
        read = b"".join(_READER.chunks(sources))
    except StoreError:
        read = None
    # The digest covers the stored bytes, but the seek table in them may still be wrong.
    assert read is None or read == whole
    start = size * (choice & 0x0F) // 16
    stop = start + (size - start) * (choice >> 4) // 15
    try:
        got = _part(blobs, sources, start, stop)
    except StoreError:
        return
    assert len(got) == stop - start
    # Reading the whole file checks its digest. Reading a part checks only the frames of the part,
    # so two wrong table entries that cancel each other out are not found.
    assert whole is None or got == whole[start:stop] or _wrong_sizes(stored) > 1


def _part(blobs: BlobStore, sources: Sources, start: int, stop: int) -> bytes:
    blocks = open_blocks(blobs, sources)
    got = bytearray()
    buffer = bytearray(1000)
    try:
        while start + len(got) < stop:
            piece = blocks.read_into(start + len(got), buffer)
            assert piece
            got += piece[: stop - start - len(got)]
    finally:
        blocks.close()
    return bytes(got)


def _plain(stored: bytes) -> bytes | None:
    decode = decoder(Codec.ZSTD, max_bytes=CEILING)
    try:
        return b"".join([*decode.feed(stored), *decode.finish()])
    except StoreError:
        return None


def _wrong_sizes(stored: bytes) -> int:
    """Return the number of frames whose size differs from their entry in the table."""
    length = table_bytes(stored[-FOOTER_BYTES:]) or 0
    return sum(
        _size(stored[one.stored_offset :][: one.stored_bytes]) != one.content_bytes
        for one in read_table(stored[-length:], len(stored))
    )


def _size(frame: bytes) -> int:
    try:
        return zstandard.frame_content_size(frame)
    except zstandard.ZstdError:
        return -1


def _table(stored: bytes) -> None:
    file = io.BytesIO(stored)
    length = table_bytes(stored[-FOOTER_BYTES:])
    if length is None or length > len(stored):
        return
    file.seek(-length, 2)
    try:
        frames = read_table(file.read(), len(stored))
    except CorruptStream:
        return
    assert sum(frame.stored_bytes for frame in frames) + length == len(stored)
    if length == len(seek_table([(frame.stored_bytes, frame.content_bytes) for frame in frames])):
        assert (
            read_table(
                seek_table([(frame.stored_bytes, frame.content_bytes) for frame in frames]),
                len(stored),
            )
            == frames
        )
