"""The length of a gzip member's header."""

from __future__ import annotations

import struct
import zlib

import pytest

from store import errors
from store.formats.compression.decoders import decoder
from store.formats.compression.gzip_header import MAGIC, MAX_HEADER_BYTES, is_whole
from store.model.contents import Codec

TEXT = b"hello, gzip\n" * 50
EVERY_COMBINATION = range(32)


def gzipped(
    flags: int, *, extra: bytes = b"ab", name: bytes = b"n", comment: bytes = b"c", wrong: int = 0
) -> tuple[bytes, bytes]:
    """Return a gzip header with the fields that ``flags`` announces, and the bytes after it."""
    head = MAGIC + bytes([flags]) + bytes(5) + b"\xff"
    if flags & 4:
        head += struct.pack("<H", len(extra)) + extra
    if flags & 8:
        head += name + b"\0"
    if flags & 16:
        head += comment + b"\0"
    if flags & 2:
        head += struct.pack("<H", (zlib.crc32(head) & 0xFFFF) ^ wrong)
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return head, deflate.compress(TEXT) + deflate.flush() + struct.pack(
        "<II", zlib.crc32(TEXT), len(TEXT)
    )


def decoded(data: bytes, size: int) -> bytes:
    decode = decoder(Codec.GZIP, max_bytes=1 << 20)
    out = [
        piece
        for start in range(0, len(data), size)
        for piece in decode.feed(data[start : start + size])
    ]
    return b"".join([*out, *decode.finish()])


@pytest.mark.parametrize("flags", EVERY_COMBINATION)
def test_a_header_is_whole_with_its_last_byte(flags: int) -> None:
    head, _ = gzipped(flags)
    assert [is_whole(head[:end]) for end in range(len(head) + 1)] == [False] * len(head) + [True]
    assert is_whole(head + b"more")


@pytest.mark.parametrize("flags", EVERY_COMBINATION)
@pytest.mark.parametrize("size", [1, 5, 11, 100])
def test_every_header_is_read_however_it_is_cut(flags: int, size: int) -> None:
    member = b"".join(gzipped(flags))
    assert decoded(member + member, size) == TEXT * 2


@pytest.mark.parametrize("size", [1, 5, 100])
def test_a_wrong_checksum_of_the_header_is_found_however_it_is_cut(size: int) -> None:
    with pytest.raises(errors.CorruptStream):
        decoded(b"".join(gzipped(2, wrong=1)), size)


@pytest.mark.parametrize("size", [1000, 1 << 20])
def test_a_long_header_is_read_and_an_endless_one_refused(size: int) -> None:
    assert decoded(b"".join(gzipped(31, extra=bytes(65535), name=b"n" * 400)), size) == TEXT
    with pytest.raises(errors.CorruptStream):
        decoded(MAGIC + b"\x08" + bytes(6) + b"x" * (MAX_HEADER_BYTES + 2000), size)


@pytest.mark.parametrize("size", [1, 2, 1 << 20])
@pytest.mark.parametrize("junk", [b"j", b"\x1f\x8b\x09", b"junk" * 9])
def test_bytes_that_cannot_begin_a_header_are_refused_at_once(junk: bytes, size: int) -> None:
    with pytest.raises(
        errors.CorruptStream, match="unexpected bytes where another stream should begin"
    ):
        decoded(b"".join(gzipped(0)) + junk, size)


def test_a_header_that_ends_early_is_refused() -> None:
    with pytest.raises(errors.TruncatedInput):
        decoded(gzipped(8)[0][:-1], 4)
