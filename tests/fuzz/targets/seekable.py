"""Seekable zstd: reading by a table that was checked gives the bytes of a plain decoder.

The input is a stored file: frames, then a seek table, which may be wrong. The first byte chooses
the part to read.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import zstandard

from store.blobs.memory import MemoryBlobs
from store.content.blocks import open_blocks
from store.content.encoding_check import decodes_to, has_sound_frames
from store.content.reader import Reader
from store.content.stored import open_stored
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
from tests.support.hostile_zstd import ATTACKS

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
_GOOD, _EVIL = b"alpha" * 20 + b"good" + b"omega" * 20, b"alpha" * 20 + b"evil" + b"omega" * 20
SEEDS: Final = (
    b"\0" + _BODY + seek_table(_TABLE),
    b"\x35" + _BODY + seek_table([*_TABLE[:1], (_TABLE[1][0] + _TABLE[2][0], 700), *_TABLE[3:]]),
    b"\x81" + _BODY + seek_table(_TABLE[::-1]),
    b"\x99" + _BODY + seek_table([]),
    b"\x10" + _BODY,
    b"\x22" + seek_table([(0, 0)] * 5),
    *(b"\x77" + attack(_GOOD, _EVIL) for attack in ATTACKS.values()),
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
        # As for an encoding of ours, nothing but the frames and the table is looked at.
        encodings=(StoredEncoding(digest, Codec.ZSTD, len(stored), seekable=True, is_ours=True),),
    )
    proven = _is_proven(blobs, digest, stored, whole)
    try:
        read = b"".join(_READER.chunks(sources))
    except StoreError:
        read = None
    if proven:
        assert read == whole
    foreign = replace(sources, encodings=(replace(sources.encodings[0], is_ours=False),))
    if whole is not None:
        # Whatever the catalogue says of it, a foreign encoding gives its content or nothing.
        foreign = replace(foreign, digest=Digest.of(whole))
        with contextlib.suppress(StoreError):
            assert b"".join(_READER.chunks(foreign)) == whole
    start = size * (choice & 0x0F) // 16
    stop = start + (size - start) * (choice >> 4) // 15
    try:
        got = _part(blobs, sources, start, stop)
    except StoreError:
        assert not proven
        return
    assert len(got) == stop - start
    # A table that was not checked may give anything.
    assert not proven or got == (whole or b"")[start:stop]


def _is_proven(blobs: BlobStore, digest: Digest, stored: bytes, whole: bytes | None) -> bool:
    if whole is None:
        return False
    foreign = StoredEncoding(digest, Codec.ZSTD, len(stored), seekable=False)
    with open_stored(blobs, digest) as blob:
        assert decodes_to(blob, Codec.ZSTD, Digest.of(whole), len(whole), _READER.memory)
        if not has_sound_frames(blob, foreign, Digest.of(whole), len(whole), _READER.memory):
            return False
    length = table_bytes(stored[-FOOTER_BYTES:]) or 0
    ends = [one.stored_offset for one in read_table(stored[-length:], len(stored))]
    # Each range decodes alone, with a decoder that is strict, to its own part of the content.
    assert all(stored[end : end + 4] == b"\x28\xb5\x2f\xfd" for end in ends)
    return True


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
    rows = [(frame.stored_bytes, frame.content_bytes) for frame in frames]
    if length == len(seek_table(rows)):
        assert list(read_table(seek_table(rows), len(stored))) == list(frames)
