"""Decoders for compressed streams: input in any pieces, damaged input, and limits."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import tracemalloc
import zlib
from random import Random
from typing import TYPE_CHECKING

import pytest
import zstandard

from store.errors import CorruptStream, StoreError, TooLarge, TruncatedInput
from store.formats.compression.decoders import PIECE_BYTES, decoder
from store.formats.compression.growth import Ratio, ratio_of
from store.formats.compression.zstd_blocks import BLOCK_BYTES
from store.model.contents import Codec
from store.model.limits import Limits
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Callable

COMPRESSED = (Codec.GZIP, Codec.BZIP2, Codec.XZ, Codec.ZSTD)
SKIPPABLE = b"\x5f\x2a\x4d\x18\x05\0\0\0skip!"


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


ENCODE: dict[Codec, Callable[[bytes], bytes]] = {
    Codec.IDENTITY: bytes,
    Codec.GZIP: lambda data: gzip.compress(data, mtime=0),
    Codec.BZIP2: bz2.compress,
    Codec.XZ: lzma.compress,
    Codec.ZSTD: zstd,
}


def decode(codec: Codec, data: bytes, step: int = 1 << 20, *, max_bytes: int = 1 << 40) -> bytes:
    decode = decoder(codec, max_bytes=max_bytes, member="layer.tar")
    pieces: list[bytes] = []
    for start in range(0, len(data), step):
        pieces += decode.feed(data[start : start + step])
    pieces += decode.finish()
    assert all(0 < len(piece) <= PIECE_BYTES for piece in pieces)
    return b"".join(pieces)


@pytest.mark.parametrize("codec", Codec)
@pytest.mark.parametrize("step", [1, 13, 4096, 1 << 20])
def test_streams_after_each_other_are_one(codec: Codec, step: int) -> None:
    noise = Random(1).randbytes(3000)
    parts = [b"", b"hello", b"x" * 5000, noise]
    if step > 4000:
        parts += [bytes(PIECE_BYTES * 2 + 1), Random(2).randbytes(PIECE_BYTES + 5)]
    assert decode(codec, b"".join(map(ENCODE[codec], parts)), step) == b"".join(parts)


@pytest.mark.parametrize("codec", COMPRESSED)
def test_every_cut_is_found(codec: Codec) -> None:
    data = ENCODE[codec](b"some data, some data, and some more")
    for length in range(len(data)):
        with pytest.raises(TruncatedInput) as caught:
            decode(codec, data[:length], 7)
        assert caught.value.member == "layer.tar"


@pytest.mark.parametrize("codec", COMPRESSED)
def test_no_flipped_bit_changes_the_decoded_bytes(codec: Codec) -> None:
    content = Random(3).randbytes(40) + b"abc" * 40
    data = ENCODE[codec](content)
    for bit in range(len(data) * 8):
        broken = bytearray(data)
        broken[bit // 8] ^= 1 << bit % 8
        try:
            # A few bits have no effect (the time in a gzip header); a change of any other bit must
            # be found.
            assert decode(codec, bytes(broken), 11) == content
        except StoreError as exc:
            assert isinstance(exc, CorruptStream | TruncatedInput | TooLarge)  # noqa: PT017


@pytest.mark.parametrize("codec", COMPRESSED)
@pytest.mark.parametrize("tail", [b"garbage behind the end", b"\0" * 23])
@pytest.mark.parametrize("step", [1, 4096])
def test_other_bytes_behind_the_end_are_refused(codec: Codec, tail: bytes, step: int) -> None:
    with pytest.raises((CorruptStream, TruncatedInput)):
        decode(codec, ENCODE[codec](b"data") + tail, step)


@pytest.mark.parametrize("step", [1, 4096])
def test_zeros_behind_gzip_can_be_ignored_and_counted(step: int) -> None:
    one = ENCODE[Codec.GZIP](b"one")
    data = one + one + bytes(40_000)
    decode = decoder(Codec.GZIP, max_bytes=100, zero_padding=True)
    found = [
        piece for at in range(0, len(data), step) for piece in decode.feed(data[at : at + step])
    ]
    assert b"".join([*found, *decode.finish()]) == b"oneone"
    assert decode.padding_bytes == 40_000
    with pytest.raises(CorruptStream):
        list(decode.feed(one))
    with pytest.raises(CorruptStream):
        list(decoder(Codec.GZIP, max_bytes=100, zero_padding=True).feed(bytes(10) + one))


def test_xz_padding_comes_in_fours() -> None:
    one = lzma.compress(b"one")
    zeros = bytes(40_000)
    assert decode(Codec.XZ, one + zeros + one + bytes(4)) == b"oneone"
    assert decode(Codec.XZ, one + bytes(4) + one, 1) == b"oneone"
    with pytest.raises(TruncatedInput):
        decode(Codec.XZ, one + bytes(3))
    with pytest.raises(CorruptStream):
        decode(Codec.XZ, one + bytes(3) + one)
    with pytest.raises(CorruptStream):
        decode(Codec.XZ, bytes(4) + one)


@pytest.mark.parametrize("step", [1, 5, 4096])
def test_skippable_frames_are_passed_over(step: int) -> None:
    empty = b"\x50\x2a\x4d\x18\0\0\0\0"
    data = SKIPPABLE + zstd(b"one") + empty + SKIPPABLE + zstd(b"two") + SKIPPABLE
    assert decode(Codec.ZSTD, data, step) == b"onetwo"
    assert decode(Codec.ZSTD, SKIPPABLE, step) == b""
    with pytest.raises(TruncatedInput):
        decode(Codec.ZSTD, zstd(b"one") + SKIPPABLE[:-1], step)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 65_791, 65_792, 300_000])
@pytest.mark.parametrize("content_size", [True, False])
@pytest.mark.parametrize("checksum", [True, False])
def test_every_form_of_zstd_frame_header_is_read(
    size: int, *, content_size: bool, checksum: bool
) -> None:
    content = Random(4).randbytes(size)
    compressor = zstandard.ZstdCompressor(write_content_size=content_size, write_checksum=checksum)
    assert decode(Codec.ZSTD, compressor.compress(content) * 2, 1000) == content * 2


def zstd_frame(*blocks: bytes, header: bytes = b"\x00\x38") -> bytes:
    """Return a zstd frame that states a window of 128 KiB, but neither a size nor a checksum."""
    return b"\x28\xb5\x2f\xfd" + header + b"".join(blocks)


def zstd_block(kind: int, size: int, payload: bytes, *, last: bool) -> bytes:
    return (size << 3 | kind << 1 | last).to_bytes(3, "little") + payload


@pytest.mark.parametrize(
    "frame",
    [
        zstd_frame(zstd_block(3, 1, b"x", last=True)),
        zstd_frame(zstd_block(1, BLOCK_BYTES + 1, b"x", last=True)),
        zstd_frame(zstd_block(0, BLOCK_BYTES + 1, b"x" * (BLOCK_BYTES + 1), last=True)),
        zstd_frame(zstd_block(2, 5, b"\xff" * 5, last=True)),
        zstd_frame(header=b"\x08\x38"),
        zstd_frame(zstd_block(0, 1, b"x", last=True), header=b"\x01\x38\x07"),
    ],
    ids=[
        "reserved block",
        "large RLE block",
        "large raw block",
        "nonsense",
        "reserved bit",
        "dictionary",
    ],
)
def test_malformed_zstd_is_corrupt(frame: bytes) -> None:
    with pytest.raises(CorruptStream):
        decode(Codec.ZSTD, frame)


def test_zstd_window_has_a_ceiling() -> None:
    raw = zstd_block(0, 1, b"x", last=True)
    assert decode(Codec.ZSTD, zstd_frame(raw, header=bytes([0, (27 - 10) << 3]))) == b"x"
    for header in (bytes([0, (27 - 10) << 3 | 1]), b"\xe0" + struct.pack("<Q", (128 << 20) + 1)):
        with pytest.raises(TooLarge) as caught:
            decode(Codec.ZSTD, zstd_frame(raw, header=header))
        assert caught.value.limit == 128 << 20


def test_xz_dictionary_has_a_ceiling() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 20}]
    data = bytearray(lzma.compress(b"x" * 100, filters=filters))
    # The block header follows the stream header: size, flags, filter, properties size, dictionary
    # size; its CRC closes it.
    data[16] = 40
    data[20:24] = zlib.crc32(data[12:20]).to_bytes(4, "little")
    with pytest.raises(TooLarge, match="memory"):
        decode(Codec.XZ, bytes(data))


def bomb(codec: Codec, size: int) -> bytes:
    """Return ``size`` zeros, compressed with a codec."""
    if codec is Codec.ZSTD:
        count = size // BLOCK_BYTES
        blocks = zstd_block(1, BLOCK_BYTES, b"\0", last=False) * (count - 1)
        return zstd_frame(blocks, zstd_block(1, BLOCK_BYTES, b"\0", last=True))
    return ENCODE[codec](bytes(size))


@pytest.mark.parametrize("codec", COMPRESSED)
def test_a_bomb_neither_fills_memory_nor_passes_the_ceiling(codec: Codec) -> None:
    data = bomb(codec, 64 << 20)
    ceiling = 40 << 20
    tracemalloc.start()
    try:
        decode = decoder(codec, max_bytes=ceiling)
        total = 0
        with pytest.raises(TooLarge) as caught:
            for piece in decode.feed(data):
                total += len(piece)
        # The decoder may hold a few pieces, and the 8 MiB dictionary of xz.
        assert tracemalloc.get_traced_memory()[1] < 7 * PIECE_BYTES + (8 << 20)
    finally:
        tracemalloc.stop()
    assert total <= ceiling
    assert caught.value.limit == ceiling


@pytest.mark.parametrize("codec", Codec)
def test_output_of_exactly_the_ceiling_is_allowed(codec: Codec) -> None:
    data = ENCODE[codec](b"x" * 1000)
    assert len(decode(codec, data, max_bytes=1000)) == 1000
    with pytest.raises(TooLarge, match=r"layer\.tar"):
        decode(codec, data, max_bytes=999)
    assert decode(codec, ENCODE[codec](b""), max_bytes=0) == b""


@pytest.mark.parametrize("codec", COMPRESSED)
def test_the_time_for_tiny_streams_is_proportional_to_their_number(codec: Codec) -> None:
    tiny = ENCODE[codec](b"")
    assert decode(codec, tiny * (400_000 // len(tiny)), 1 << 22) == b""


def test_uncompressed_input_is_cut_into_pieces() -> None:
    decode = decoder(Codec.IDENTITY, max_bytes=1 << 40)
    assert [len(piece) for piece in decode.feed(bytes(PIECE_BYTES + 1))] == [PIECE_BYTES, 1]
    assert list(decode.feed(memoryview(b"ab"))) == [b"ab"]
    assert list(decode.feed(b"")) == []
    assert list(decode.finish()) == []


@pytest.mark.parametrize("codec", COMPRESSED)
def test_a_ratio_counts_from_its_free_bytes(codec: Codec) -> None:
    free = 4 * PIECE_BYTES
    ratio = Ratio(20, free)
    small = ENCODE[codec](bytes(free))
    large = ENCODE[codec](bytes(free + PIECE_BYTES))
    noise = ENCODE[codec](Random(1).randbytes(free + PIECE_BYTES))
    for data in (small, noise):
        decode = decoder(codec, max_bytes=1 << 40, ratio=ratio)
        assert sum(map(len, [*decode.feed(data), *decode.finish()])) >= free
    decode = decoder(codec, max_bytes=1 << 40, member="layer.tar", ratio=ratio)
    with pytest.raises(TooLarge, match="20 : 1") as caught:
        list(decode.feed(large))
    assert caught.value.limit == 20
    assert caught.value.remedy is Remedy.RAISE_RATIO_LIMIT


def test_an_import_has_the_ratio_of_its_limits() -> None:
    assert ratio_of(Limits(ratio=7, free_bytes=9)) == Ratio(7, 9)
