"""Zstd blobs with a wrong seek table: reads by the table and as a stream give different bytes."""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import zstandard

from store.formats.compression.seekable_zstd import seek_table

if TYPE_CHECKING:
    from collections.abc import Callable

_HEADER: Final = struct.Struct("<II")
_SKIPPABLE: Final = 0x184D2A50


@lru_cache(32)  # level 19 is slow, and most blobs share frames
def frame(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=19, write_checksum=True).compress(data)


def skippable(data: bytes) -> bytes:
    return _HEADER.pack(_SKIPPABLE, len(data)) + data


def seekable(*parts: bytes) -> bytes:
    """Return a valid seekable blob."""
    frames = [frame(part) for part in parts]
    return b"".join(frames) + seek_table(
        [(len(one), len(part)) for one, part in zip(frames, parts, strict=True)]
    )


def hidden_frame(good: bytes, evil: bytes) -> bytes:
    """Return a blob whose second range begins inside a skippable frame; a stream skips that frame.

    ::

        a stream:   F1  (skipped)                              F2   (skipped)
        by frames:  F1 + 8 bytes | H2 + a skippable frame with F2 | the table
    """
    cut = _first_difference(good, evil)
    one, two, hostile = frame(good[:cut]), frame(good[cut:]), frame(evil[cut:])
    hidden = hostile + _HEADER.pack(_SKIPPABLE + 1, len(two))
    ranges = [(len(one) + 8, cut), (len(hidden) + len(two), len(good) - cut)]
    return one + skippable(hidden) + two + seek_table(ranges)


def hidden_in_front(good: bytes, evil: bytes) -> bytes:
    """Return a blob whose first two ranges are the header and the payload of a skippable frame."""
    one, hostile = frame(good), frame(evil)
    inner = hostile + _HEADER.pack(_SKIPPABLE, len(one))
    ranges = [(8, 0), (len(inner) + len(one), len(good))]
    return skippable(inner) + one + seek_table(ranges)


def frame_before_frame(good: bytes, evil: bytes) -> bytes:
    """Return a blob with two frames in one range: a decoder of one frame stops after the first."""
    del evil
    cut = len(good) // 2
    data = frame(good[:cut]) + frame(good[cut:])
    return data + seek_table([(len(data), len(good))])


def bytes_in_the_last_range(good: bytes, evil: bytes) -> bytes:
    """Return a blob whose only range has a frame and then a skippable frame."""
    data = frame(good) + skippable(evil)
    return data + seek_table([(len(data), len(good))])


def table_in_a_frame(good: bytes, evil: bytes) -> bytes:
    """Return a blob whose last range also covers the header of the frame with the table."""
    del evil
    data = frame(good)
    return data + skippable(seek_table([(len(data) + 8, len(good))]))


def range_without_bytes(good: bytes, evil: bytes) -> bytes:
    """Return a blob with a range that holds no frame."""
    del evil
    data = frame(good)
    return data + seek_table([(0, 0), (len(data), len(good))])


def shifted_sizes(good: bytes, evil: bytes) -> bytes:
    """Return a blob whose seek table has two wrong sizes that cancel each other out."""
    del evil
    cut = len(good) // 2
    one, two = frame(good[:cut]), frame(good[cut:])
    sizes = [(len(one), cut - 1), (len(two), len(good) - cut + 1)]
    return one + two + seek_table(sizes)


def size_not_stated(good: bytes, evil: bytes) -> bytes:
    """Return a blob with a frame that does not state its decoded size."""
    del evil
    data = zstandard.ZstdCompressor(write_content_size=False).compress(good)
    return data + seek_table([(len(data), len(good))])


ATTACKS: Final[dict[str, Callable[[bytes, bytes], bytes]]] = {
    one.__name__: one
    for one in (
        hidden_frame,
        hidden_in_front,
        frame_before_frame,
        bytes_in_the_last_range,
        table_in_a_frame,
        range_without_bytes,
        shifted_sizes,
        size_not_stated,
    )
}


def _first_difference(good: bytes, evil: bytes) -> int:
    return next(at for at, pair in enumerate(zip(good, evil, strict=True)) if pair[0] != pair[1])
