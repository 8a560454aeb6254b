"""The zstd seekable format: independent frames, and a seek table in a trailing skippable frame.

Any zstd decoder can read such a file. With the seek table, decoding can start at any frame.
Source: facebook/zstd, contrib/seekable_format/zstd_seekable_compression_format.md, version 0.1.0.
"""

from __future__ import annotations

import struct
import sys
from array import array
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final, final

from store.errors import CorruptStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SKIPPABLE_MAGIC: Final = 0x184D2A5E
_FOOTER_MAGIC: Final = 0x8F92EAB1
_CHECKSUM_FLAG: Final = 0x80
_RESERVED_BITS: Final = 0x7C
_HEADER: Final = struct.Struct("<II")
_FOOTER: Final = struct.Struct("<IBI")
_ENTRY: Final = struct.Struct("<II")

FOOTER_BYTES: Final = _FOOTER.size

MAX_FRAMES: Final = 1024 * 1024
"""The most frames of a seek table that is used. With the frames of this program, this is 4 TiB."""

TABLE_MEMORY_BYTES: Final = 28
"""The memory for each frame while a table is read: the entry of the table, and two offsets."""

_MAX_SMALL_FRAMES: Final = 1024
_LEAST_AVERAGE_BYTES: Final = 16 * 1024
_ENTRIES_AT_ONCE: Final = 8192


@final
@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its range in the compressed file, and the range of decoded bytes that it holds."""

    stored_offset: int
    stored_bytes: int
    content_offset: int
    content_bytes: int


@final
class FrameTable:
    """The frames that a seek table lists, in the order of the file, including empty frames.

    The table keeps two numbers for each frame, because a file can list a million frames.

    Attributes:
        stored_bytes: The size of all frames in the compressed file.
        content_bytes: The size of all frames, decoded.
        largest: The largest stored size and the largest decoded size of a frame.
    """

    def __init__(
        self, stored_starts: array[int], content_starts: array[int], largest: tuple[int, int]
    ) -> None:
        """Take the offsets of all frames.

        Args:
            stored_starts: The offset of each frame in the compressed file, then the end of the last
                frame.
            content_starts: The same offsets in the decoded bytes.
            largest: The largest stored size and the largest decoded size of a frame.
        """
        self._stored = stored_starts
        self._content = content_starts
        self.stored_bytes = stored_starts[-1]
        self.content_bytes = content_starts[-1]
        self.largest = largest

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self._stored) - 1

    def __getitem__(self, index: int) -> Frame:
        """Return a frame by its position in the file, from 0."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        stored, content = self._stored[index], self._content[index]
        return Frame(
            stored,
            self._stored[index + 1] - stored,
            content,
            self._content[index + 1] - content,
        )

    def __iter__(self) -> Iterator[Frame]:
        """Yield every frame, in the order of the file."""
        return (self[index] for index in range(len(self)))

    def at(self, position: int) -> Frame:
        """Return the frame that contains a decoded byte.

        Args:
            position: The offset of the byte, less than `content_bytes`.
        """
        # An empty frame begins where the next frame begins, so it is never the last one found.
        return self[bisect_right(self._content, position) - 1]


def max_frames(content_bytes: int) -> int:
    """Return the most frames of a seek table that is used.

    A table with more frames would take more memory than the content is worth.

    Args:
        content_bytes: The decoded size of all frames together.
    """
    return min(MAX_FRAMES, _MAX_SMALL_FRAMES + content_bytes // _LEAST_AVERAGE_BYTES)


def seek_table(frames: Sequence[tuple[int, int]]) -> bytes:
    """Return the seek table: a skippable frame that lists ``frames``.

    Args:
        frames: (compressed size, decoded size) of each frame, in the order of the file.
    """
    entries = b"".join(_ENTRY.pack(stored, content) for stored, content in frames)
    return (
        _HEADER.pack(_SKIPPABLE_MAGIC, len(entries) + FOOTER_BYTES)
        + entries
        + _FOOTER.pack(len(frames), 0, _FOOTER_MAGIC)
    )


def frame_count(footer: bytes) -> int | None:
    """Return the number of frames in a seek table, or None if ``footer`` is not a footer.

    Args:
        footer: The last `FOOTER_BYTES` bytes of a file.
    """
    if table_bytes(footer) is None:
        return None
    return int(_FOOTER.unpack(footer)[0])


def table_bytes(footer: bytes) -> int | None:
    """Return the size in bytes of the whole seek table, or None if ``footer`` is not a footer.

    Args:
        footer: The last `FOOTER_BYTES` bytes of a file.
    """
    if len(footer) != FOOTER_BYTES:
        return None
    count, flags, magic = _FOOTER.unpack(footer)
    if magic != _FOOTER_MAGIC or flags & _RESERVED_BITS:
        return None
    return _HEADER.size + int(count) * _entry_bytes(flags) + FOOTER_BYTES


def read_table(table: bytes, stored_size: int) -> FrameTable:
    """Return the frames that a seek table lists.

    Args:
        table: The whole table, `table_bytes` bytes long.
        stored_size: Size in bytes of the file that ends with the table.

    Raises:
        CorruptStream: The table does not describe a file of this size.
    """
    count, flags, _magic = _FOOTER.unpack(table[-FOOTER_BYTES:])
    magic, payload = _HEADER.unpack_from(table)
    width = _entry_bytes(flags)
    if (
        magic != _SKIPPABLE_MAGIC
        or payload + _HEADER.size != len(table)
        or payload != count * width + FOOTER_BYTES
    ):
        raise CorruptStream("corrupt zstd seek table: its header and its footer disagree")
    starts = array("Q", (0,)), array("Q", (0,))
    largest = [0, 0]
    entries = memoryview(table)[_HEADER.size : -FOOTER_BYTES]
    for start in range(0, len(entries), _ENTRIES_AT_ONCE * width):
        numbers = array("I", bytes(entries[start : start + _ENTRIES_AT_ONCE * width]))
        if sys.byteorder == "big":
            numbers.byteswap()
        step = width // numbers.itemsize
        for field, offsets in enumerate(starts):
            sizes = numbers[field::step]
            largest_here = max(sizes)
            largest[field] = max(largest[field], largest_here)
            offsets.extend(accumulate(sizes, initial=offsets.pop()))
    if starts[0][-1] + len(table) != stored_size:
        raise CorruptStream(
            f"corrupt zstd seek table: it describes {starts[0][-1] + len(table)} bytes, but the"
            f" file has {stored_size}"
        )
    return FrameTable(*starts, (largest[0], largest[1]))


def _entry_bytes(flags: int) -> int:
    return _ENTRY.size + (4 if flags & _CHECKSUM_FLAG else 0)
