"""The zstd seekable format: independent frames, and a seek table in a trailing skippable frame.

Any zstd decoder can read such a file. With the seek table, decoding can start at any frame.
Source: facebook/zstd, contrib/seekable_format/zstd_seekable_compression_format.md, version 0.1.0.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from store.errors import CorruptStream

if TYPE_CHECKING:
    from collections.abc import Sequence

_SKIPPABLE_MAGIC: Final = 0x184D2A5E
_FOOTER_MAGIC: Final = 0x8F92EAB1
_CHECKSUM_FLAG: Final = 0x80
_RESERVED_BITS: Final = 0x7C
_HEADER: Final = struct.Struct("<II")
_FOOTER: Final = struct.Struct("<IBI")
_ENTRY: Final = struct.Struct("<II")

FOOTER_BYTES: Final = _FOOTER.size


@final
@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: its range in the compressed file, and the range of decoded bytes that it holds."""

    stored_offset: int
    stored_bytes: int
    content_offset: int
    content_bytes: int


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


def read_table(table: bytes, stored_size: int) -> tuple[Frame, ...]:
    """Return the frames that a seek table lists.

    Args:
        table: The whole table, `table_bytes` bytes long.
        stored_size: Size in bytes of the file that ends with the table.

    Raises:
        CorruptStream: The table does not describe a file of this size.
    """
    count, flags, _magic = _FOOTER.unpack(table[-FOOTER_BYTES:])
    magic, payload = _HEADER.unpack_from(table)
    if magic != _SKIPPABLE_MAGIC or payload + _HEADER.size != len(table):
        raise CorruptStream("corrupt zstd seek table: its header and its footer disagree")
    width = _entry_bytes(flags)
    frames: list[Frame] = []
    stored_offset = content_offset = 0
    for index in range(count):
        stored, content = _ENTRY.unpack_from(table, _HEADER.size + index * width)
        frames.append(Frame(stored_offset, stored, content_offset, content))
        stored_offset += stored
        content_offset += content
    if stored_offset + len(table) != stored_size:
        raise CorruptStream(
            f"corrupt zstd seek table: it describes {stored_offset + len(table)} bytes, but the"
            f" file has {stored_size}"
        )
    return tuple(frames)


def _entry_bytes(flags: int) -> int:
    return _ENTRY.size + (4 if flags & _CHECKSUM_FLAG else 0)
