"""The seek table of the zstd seekable format."""

from __future__ import annotations

import io
import struct
import tracemalloc

import pytest
import zstandard

from store.errors import CorruptStream
from store.formats.compression.seekable_zstd import (
    FOOTER_BYTES,
    MAX_FRAMES,
    TABLE_MEMORY_BYTES,
    Frame,
    frame_count,
    max_frames,
    read_table,
    seek_table,
    table_bytes,
)


def with_checksums(frames: list[tuple[int, int]]) -> bytes:
    """Return a seek table with a checksum in each entry, like the tables of other programs."""
    entries = b"".join(
        struct.pack("<III", stored, content, 0xDEADBEEF) for stored, content in frames
    )
    return (
        struct.pack("<II", 0x184D2A5E, len(entries) + 9)
        + entries
        + struct.pack("<IBI", len(frames), 0x80, 0x8F92EAB1)
    )


def test_written_table_is_read_back() -> None:
    frames = [(100, 4000), (50, 0), (7, 1)]
    table = seek_table(frames)
    assert table_bytes(table[-FOOTER_BYTES:]) == len(table)
    assert tuple(read_table(table, 157 + len(table))) == (
        Frame(0, 100, 0, 4000),
        Frame(100, 50, 4000, 0),
        Frame(150, 7, 4000, 1),
    )


def test_table_is_laid_out_as_the_format_says() -> None:
    assert seek_table([(1, 2)]) == bytes.fromhex(
        "5e2a4d18 11000000 01000000 02000000 01000000 00 b1ea928f"
    )
    assert seek_table([]) == bytes.fromhex("5e2a4d18 09000000 00000000 00 b1ea928f")


def test_table_with_checksums_is_read() -> None:
    table = with_checksums([(10, 20), (30, 40)])
    assert table_bytes(table[-FOOTER_BYTES:]) == len(table)
    assert tuple(read_table(table, 40 + len(table))) == (
        Frame(0, 10, 0, 20),
        Frame(10, 30, 20, 40),
    )


def test_any_decoder_passes_over_the_table() -> None:
    parts = [b"first " * 1000, b"second " * 1000]
    frames = [zstandard.ZstdCompressor().compress(part) for part in parts]
    file = b"".join(frames) + seek_table(
        [(len(frame), len(part)) for frame, part in zip(frames, parts, strict=True)]
    )
    with zstandard.ZstdDecompressor().stream_reader(
        io.BytesIO(file), read_across_frames=True
    ) as reader:
        assert reader.read() == b"".join(parts)


@pytest.mark.parametrize(
    "footer",
    [
        b"",
        b"short",
        bytes(9),
        struct.pack("<IBI", 1, 0x04, 0x8F92EAB1),
        struct.pack("<IBI", 1, 0, 0x8F92EAB2),
    ],
)
def test_other_bytes_are_not_a_footer(footer: bytes) -> None:
    assert table_bytes(footer) is None


def test_bits_without_meaning_are_ignored() -> None:
    assert table_bytes(struct.pack("<IBI", 1, 0x03, 0x8F92EAB1)) == 8 + 8 + FOOTER_BYTES


def test_a_table_for_another_file_size_is_refused() -> None:
    table = seek_table([(100, 4000)])
    for size in (99, 101):
        with pytest.raises(CorruptStream):
            read_table(table, size + len(table))


@pytest.mark.parametrize("position", [0, 4])
def test_a_header_that_disagrees_with_the_footer_is_refused(position: int) -> None:
    table = bytearray(seek_table([(100, 4000)]))
    table[position] ^= 1
    with pytest.raises(CorruptStream):
        read_table(bytes(table), 100 + len(table))


def test_a_byte_is_found_in_its_frame_although_others_are_empty() -> None:
    frames = [(9, 0), (100, 40), (9, 0), (9, 0), (7, 2), (9, 0)]
    table = seek_table(frames)
    index = read_table(table, sum(stored for stored, _ in frames) + len(table))
    assert (index.stored_bytes, index.content_bytes, index.largest) == (143, 42, (100, 40))
    assert {index.at(position) for position in range(40)} == {Frame(9, 100, 0, 40)}
    assert {index.at(position) for position in (40, 41)} == {Frame(127, 7, 40, 2)}
    assert len(index) == len(frames)
    with pytest.raises(IndexError):
        index[len(frames)]


def test_a_count_that_does_not_fill_the_table_is_refused() -> None:
    table = bytearray(seek_table([(100, 4000), (50, 1)]))
    table[-FOOTER_BYTES] = 1
    with pytest.raises(CorruptStream):
        read_table(bytes(table), 150 + len(table))


def test_a_long_table_takes_little_memory() -> None:
    count = 200_000
    table = seek_table([(9, 1)] * count)
    tracemalloc.start()
    try:
        index = read_table(table, 9 * count + len(table))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(index) == count == frame_count(table[-FOOTER_BYTES:])
    # Arrays grow by an eighth at a time.
    assert peak < TABLE_MEMORY_BYTES * count


def test_the_most_frames_follow_from_the_size_of_the_content() -> None:
    assert max_frames(0) == 1024
    assert max_frames(1 << 30) == 1024 + (1 << 16)
    assert max_frames(1 << 60) == MAX_FRAMES
    assert frame_count(b"short") is None
