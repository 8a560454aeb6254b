"""The frames of a document log: blocks of records, and marks that end a unit.

Every frame is a zstd frame or a skippable frame (RFC 8878, section 3.1), so ``zstd -dc`` prints all
records. A skippable frame before each block holds its length and checksum. A skippable frame after
the last block of a write unit, the mark, holds the position of the catalogue.

A damaged part does not hide what follows it: a reader looks for the next frame of this kind.
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import zstandard

from store.db.changes import Position
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator

_MAGIC: Final = 0x184D2A53
_MARKER: Final = b"storectl"
_BLOCK, _MARK = 1, 2
_LEVEL: Final = 1

_HEAD: Final = struct.Struct("<II8sI")
"""Magic number, size of what follows these two, marker, kind."""

_BLOCK_REST: Final = struct.Struct("<III")
"""Length of the block, checksum of the block, checksum of the fields before."""

_MARK_REST: Final = struct.Struct("<QQqI")
"""Position (content, references), time in microseconds since 1970, checksum of the fields before.
"""

_BLOCK_BYTES: Final = _HEAD.size + _BLOCK_REST.size
MARK_BYTES: Final = _HEAD.size + _MARK_REST.size
_BLOCK_START: Final = _HEAD.pack(_MAGIC, _BLOCK_BYTES - 8, _MARKER, _BLOCK)
_MARK_START: Final = _HEAD.pack(_MAGIC, MARK_BYTES - 8, _MARKER, _MARK)
_COMMON: Final = struct.pack("<I", _MAGIC)

MAX_BLOCK_BYTES: Final = 16 * MIB
"""The decoded size of one block: a block is closed as soon as it has 64 KiB, and a document has at
most 8 MiB."""

_WINDOW_BYTES: Final = MIB


@final
@dataclass(frozen=True, slots=True)
class Mark:
    """The end of a write unit.

    Attributes:
        position: Everything that the catalogue held at this position is recorded before the mark.
        time_us: When the unit was recorded, in microseconds since 1970.
    """

    position: Position
    time_us: int


@final
@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes without a whole frame.

    Attributes:
        size_bytes: The number of bytes.
        at_end: Whether nothing follows: a process has ended, or the power was cut, in a write.
    """

    size_bytes: int
    at_end: bool


class BlockWriter:
    """An encoder of blocks."""

    def __init__(self) -> None:
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True)

    def block(self, records: bytes) -> bytes:
        """Return the frames of some records.

        Args:
            records: At most `MAX_BLOCK_BYTES` bytes.
        """
        data = self._compressor.compress(records)
        head = _BLOCK_START + struct.pack("<II", len(data), zlib.crc32(data))
        return head + struct.pack("<I", zlib.crc32(head)) + data


def mark(found: Mark) -> bytes:
    """Return the frame of a mark."""
    head = _MARK_START + struct.pack("<QQq", *found.position, found.time_us)
    return head + struct.pack("<I", zlib.crc32(head))


def last_mark(descriptor: int, size_bytes: int) -> tuple[Mark | None, bool]:
    """Return the last mark of a log, and whether nothing follows it.

    Args:
        descriptor: The log.
        size_bytes: The size of the log.
    """
    if found := _mark_at(os.pread(descriptor, MARK_BYTES, max(0, size_bytes - MARK_BYTES)), 0):
        return found, True
    end = size_bytes
    while end > 0:
        start = max(0, end - _WINDOW_BYTES)
        window = os.pread(descriptor, end - start + MARK_BYTES, start)
        place = len(window)
        while (place := window.rfind(_MARK_START, 0, place)) >= 0:
            if found := _mark_at(window, place):
                return found, False
        end = start
    return None, False


def first_mark_end(descriptor: int, size_bytes: int) -> int:
    """Return where the first mark of a log ends; 0 if a damaged part comes before it.

    Args:
        descriptor: The log.
        size_bytes: The size of the log.
    """
    place = 0
    while place < size_bytes:
        head = os.pread(descriptor, MARK_BYTES, place)
        if _mark_at(head, 0):
            return place + MARK_BYTES
        length = _block_length(head)
        if length is None:
            return 0
        place += _BLOCK_BYTES + length
    return 0


def frames(descriptor: int, size_bytes: int) -> Iterator[bytes | Mark | Gap]:
    """Yield the records of each block, each mark, and each gap between them, in the log's order.

    Args:
        descriptor: The log.
        size_bytes: How many bytes of the log to read.
    """
    place = 0
    while place < size_bytes:
        head = os.pread(descriptor, MARK_BYTES, place)
        if found := _mark_at(head, 0):
            yield found
            place += MARK_BYTES
            continue
        length = _block_length(head)
        records = None
        if length is not None and place + _BLOCK_BYTES + length <= size_bytes:
            records = _decoded(os.pread(descriptor, length, place + _BLOCK_BYTES), head)
        if records is not None and length is not None:
            yield records
            place += _BLOCK_BYTES + length
            continue
        following = _next_frame(descriptor, place + 1, size_bytes)
        yield Gap(following - place, at_end=following == size_bytes)
        place = following


def _mark_at(data: bytes, place: int) -> Mark | None:
    found = data[place : place + MARK_BYTES]
    if len(found) < MARK_BYTES or not found.startswith(_MARK_START):
        return None
    content, references, time_us, checksum = _MARK_REST.unpack_from(found, _HEAD.size)
    if zlib.crc32(found[:-4]) != checksum:
        return None
    return Mark(Position(content, references), time_us)


def _block_length(head: bytes) -> int | None:
    if len(head) < _BLOCK_BYTES or not head.startswith(_BLOCK_START):
        return None
    length, _, checksum = _BLOCK_REST.unpack_from(head, _HEAD.size)
    is_right = zlib.crc32(head[: _BLOCK_BYTES - 4]) == checksum and length <= 2 * MAX_BLOCK_BYTES
    return int(length) if is_right else None


def _decoded(data: bytes, head: bytes) -> bytes | None:
    _, checksum, _ = _BLOCK_REST.unpack_from(head, _HEAD.size)
    if zlib.crc32(data) != checksum:
        return None
    try:
        if not 0 <= zstandard.frame_content_size(data) <= MAX_BLOCK_BYTES:
            return None
        return zstandard.ZstdDecompressor().decompress(data)
    except zstandard.ZstdError:
        return None


def _next_frame(descriptor: int, start: int, size_bytes: int) -> int:
    """Return the place of the next whole head of a frame; the size of the log if there is none."""
    while start < size_bytes:
        window = os.pread(descriptor, _WINDOW_BYTES + MARK_BYTES, start)
        place = -1
        while (place := window.find(_COMMON, place + 1)) >= 0 and place < _WINDOW_BYTES:
            if _mark_at(window, place) or _block_length(window[place : place + MARK_BYTES]):
                return start + place
        start += _WINDOW_BYTES
    return size_bytes
