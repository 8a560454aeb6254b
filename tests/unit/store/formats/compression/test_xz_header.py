"""The size of an xz stream's dictionary."""

from __future__ import annotations

import lzma
from typing import Any

import pytest

from store.formats.compression.xz_header import MAX_HEADER_BYTES, dictionary_bytes

MIB = 1 << 20


@pytest.mark.parametrize(("preset", "size"), [(0, 256 << 10), (6, 8 * MIB), (9, 64 * MIB)])
def test_the_dictionary_of_a_preset_is_found(preset: int, size: int) -> None:
    assert dictionary_bytes(lzma.compress(b"x", preset=preset)) == size


@pytest.mark.parametrize("size", [4096, 3 << 19, 192 * MIB])
def test_the_dictionary_is_found_behind_other_filters(size: int) -> None:
    filters: list[dict[str, Any]] = [
        {"id": lzma.FILTER_DELTA, "dist": 4},
        {"id": lzma.FILTER_X86},
        {"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": size},
    ]
    assert dictionary_bytes(lzma.compress(b"x", filters=filters)) == size


def test_a_stream_without_a_block_needs_no_dictionary() -> None:
    assert dictionary_bytes(lzma.compress(b"")) == 0


def test_a_short_header_is_unknown_and_a_long_one_is_not() -> None:
    data = lzma.compress(b"x")
    end = 12 + (data[12] + 1) * 4
    assert [dictionary_bytes(data[:size]) for size in range(end)] == [None] * end
    assert dictionary_bytes(data[:end]) == 8 * MIB
    assert dictionary_bytes(data[:12] + b"\xff" * (MAX_HEADER_BYTES - 12)) is not None


def test_a_header_that_ends_inside_a_number_is_left_to_the_library() -> None:
    assert dictionary_bytes(lzma.compress(b"x")[:12] + b"\x01\xc0" + b"\xff" * 9) == 0
