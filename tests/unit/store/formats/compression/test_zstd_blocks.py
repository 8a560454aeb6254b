"""The frames and blocks of a zstd stream, found without decoding the stream."""

from __future__ import annotations

import pytest
import zstandard

from store.formats.compression.zstd_blocks import (
    BLOCK_BYTES,
    MAGIC,
    BlockScanner,
    MalformedError,
    header_bytes,
    is_one_frame,
    is_skippable,
    read_header,
)

RAW, RLE, RESERVED = 0, 1, 3


def block(kind: int, size: int, body: bytes = b"", *, last: bool = False) -> bytes:
    return (size << 3 | kind << 1 | last).to_bytes(3, "little") + body


@pytest.mark.parametrize(
    ("magic", "skippable"),
    [
        (b"\x50\x2a\x4d\x18", True),
        (b"\x5f\x2a\x4d\x18", True),
        (b"\x60\x2a\x4d\x18", False),
        (b"\x4f\x2a\x4d\x18", False),
        (MAGIC, False),
    ],
)
def test_sixteen_magic_numbers_begin_a_skippable_frame(magic: bytes, *, skippable: bool) -> None:
    assert is_skippable(magic) is skippable


@pytest.mark.parametrize(
    ("descriptor", "size"),
    [
        (0x00, 6),  # magic, descriptor, window
        (0x20, 6),  # single segment: a size of one byte, no window
        (0x40, 8),
        (0x60, 7),
        (0x80, 10),
        (0xC0, 14),
        (0x03, 10),  # a dictionary ID of four bytes
    ],
)
def test_the_descriptor_gives_the_size_of_the_header(descriptor: int, size: int) -> None:
    assert header_bytes(descriptor) == size


def test_a_reserved_bit_in_the_descriptor_is_malformed() -> None:
    with pytest.raises(MalformedError, match="reserved bit"):
        header_bytes(0x08)


@pytest.mark.parametrize(
    ("fields", "window"),
    [
        (b"\x00\x00", 1 << 10),
        (b"\x00\x38", 1 << 17),
        (b"\x00\x39", (1 << 17) + (1 << 14)),
        (b"\x20\x05", 5),
        (b"\x60\x05\x00", 256 + 5),
        (b"\xe0" + (1 << 40).to_bytes(8, "little"), 1 << 40),
    ],
)
def test_the_window_is_read_from_the_header(fields: bytes, window: int) -> None:
    header = read_header(MAGIC + fields)
    assert header.window_bytes == window
    assert not header.checksum


def test_the_header_says_whether_a_checksum_follows() -> None:
    assert read_header(MAGIC + b"\x04\x38").checksum


@pytest.mark.parametrize("step", [1, 2, 3, 1000])
@pytest.mark.parametrize("checksum", [False, True])
def test_a_frame_ends_behind_its_last_block_and_its_checksum(step: int, *, checksum: bool) -> None:
    body = block(RAW, 5, b"hello") + block(RLE, 100, b"x") + block(RAW, 0, last=True)
    trailer = b"sum!" if checksum else b""
    data = body + trailer + b"next frame"
    scanner = BlockScanner(checksum=checksum)
    position = 0
    while not scanner.done:
        piece = data[: position + step]
        position = scanner.scan(piece, position, 4 * BLOCK_BYTES)
    assert position == len(body + trailer)


def test_a_scan_stops_where_the_output_could_pass_the_limit() -> None:
    run = block(RLE, BLOCK_BYTES, b"x")
    scanner = BlockScanner(checksum=False)
    data = run * 10
    first = scanner.scan(data, 0, 4 * BLOCK_BYTES)
    assert first <= 4 * len(run)
    assert first < scanner.scan(data, first, 4 * BLOCK_BYTES) <= first + 4 * len(run)


def test_scanned_parts_of_a_real_stream_stay_below_the_limit() -> None:
    content = bytes(3_000_000)
    frame = zstandard.ZstdCompressor(write_content_size=False).compress(content)
    start = header_bytes(frame[4])
    scanner = BlockScanner(checksum=read_header(frame).checksum)
    decoder = zstandard.ZstdDecompressor().decompressobj()
    decoder.decompress(frame[:start])
    total = 0
    while not scanner.done:
        end = scanner.scan(frame, start, 1 << 20)
        piece = decoder.decompress(frame[start:end])
        assert len(piece) <= 1 << 20
        total, start = total + len(piece), end
    assert total == len(content)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (block(RESERVED, 1), "reserved type"),
        (block(RAW, BLOCK_BYTES + 1), "131073 bytes: the limit is 131072 bytes"),
    ],
)
def test_malformed_blocks_are_refused(header: bytes, message: str) -> None:
    with pytest.raises(MalformedError, match=message):
        BlockScanner(checksum=False).scan(header, 0, 4 * BLOCK_BYTES)


CONTENT = bytes(300_000) + b"end"
FRAME = zstandard.ZstdCompressor(write_checksum=True).compress(CONTENT)


def test_one_frame_that_states_its_content_is_recognised() -> None:
    assert is_one_frame(FRAME, len(CONTENT))
    assert is_one_frame(zstandard.compress(b""), 0)
    assert is_one_frame(zstandard.compress(b"x" * 300), 300)
    blocks = MAGIC + b"\x80\x00" + (5).to_bytes(4, "little") + block(RAW, 5, b"hello", last=True)
    assert is_one_frame(blocks, 5)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        MAGIC,
        FRAME[:7],
        FRAME[:-1],
        FRAME + b"\0",
        FRAME + FRAME,
        b"\x50\x2a\x4d\x18\0\0\0\0" + FRAME,
        FRAME + b"\x50\x2a\x4d\x18\0\0\0\0",
        b"\0" + FRAME,
        zstandard.ZstdCompressor(write_content_size=False).compress(CONTENT),
        FRAME[:4] + bytes((FRAME[4] | 8,)) + FRAME[5:],
        MAGIC + b"\x21\x07\x05" + block(RAW, 5, b"hello", last=True),
        MAGIC + b"\x20\x05" + block(RESERVED, 5, b"hello", last=True),
    ],
)
def test_anything_else_is_not_one_frame(data: bytes) -> None:
    assert not is_one_frame(data, len(CONTENT))
    assert not is_one_frame(data, 5)


def test_a_frame_that_states_another_size_is_not_the_frame_of_the_table() -> None:
    assert not is_one_frame(FRAME, len(CONTENT) - 1)
