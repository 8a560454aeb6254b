"""Sparse members: files with holes, stored as a map of extents and the data in the extents.

Sparse members are read as in Go's archive/tar 1.19, and expanded as in Docker. Docker refuses the
old GNU format (type flag ``S``), but skopeo and GNU tar read it.

Spec: the GNU tar manual, "Storing Sparse Files", old GNU format and PAX formats 0.0, 0.1 and 1.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias, final

from store.formats.tar.numbers import number
from store.formats.tar.pax import BLOCK, InvalidRecordError, integer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from store.formats.tar.pax import Records

Extents: TypeAlias = "tuple[tuple[int, int], ...]"
"""The parts of a member that have data: (offset, length) in bytes, ascending, not overlapping."""

_VERSIONS: Final = {(b"0", b"0"): False, (b"0", b"1"): False, (b"1", b"0"): True}
"""Whether the map comes before the data, for each known format, by major and minor number."""


_OLD_NUMBER: Final = 12
_OLD_MAP: Final = 386
_OLD_CONTINUES: Final = 482
_OLD_SIZE: Final = 483
_OLD_MORE: Final = 504
"""Offsets of the old GNU format, in bytes: the first four entries in the header, the mark that more
follow, the size of the member, and the mark in a block of 21 more entries."""


class MapTooLongError(Exception):
    """A map that is longer than the caller's ceiling."""


@final
class SparseMap:
    """The map of one sparse member.

    In format 1.0 the map comes before the data, as a part of it. In the old GNU format it is in the
    header and, if it is long, in blocks between the header and the data. While ``wanted`` is true,
    pass the next block to `take`.

    Args:
        size: The member's size when unpacked, in bytes.
        stored: The size of the member's data in the archive, including the map of format 1.0, in
            bytes.

    Attributes:
        size: The member's size when unpacked, in bytes.
        wanted: Whether the next block is part of the map.
        is_outside: Whether the blocks of the map are not counted as data of the member.
        extents: The map, once it is complete.
    """

    def __init__(self, size: int, stored: int, *, is_outside: bool = False) -> None:
        self.size = size
        self.wanted = True
        self.is_outside = is_outside
        self.extents: Extents = ()
        self._old: list[bytes] = []
        self._stored = stored
        self._text = bytearray()
        self._lines = 0
        self._count = -1

    @classmethod
    def announced(cls, records: Records, stored: int) -> SparseMap | None:
        """Return the map that an extended header announces, or None if the member is not sparse.

        Args:
            records: The member's extended header.
            stored: The size of the member's data in the archive, in bytes.

        Raises:
            InvalidRecordError: The map is not valid.
        """
        version = records.get(b"GNU.sparse.major", b""), records.get(b"GNU.sparse.minor", b"")
        in_data = _VERSIONS.get(version)
        if in_data is None and (version != (b"", b"") or not records.get(b"GNU.sparse.map")):
            return None
        value = records.get(b"GNU.sparse.size") or records.get(b"GNU.sparse.realsize")
        found = cls(integer(value) if value else stored, stored)
        if not in_data:
            numbers = records.get(b"GNU.sparse.map", b"")
            found._finish(
                numbers.split(b",") if numbers else [],
                integer(records.get(b"GNU.sparse.numblocks", b"")),
            )
        else:
            found._check_rest()
        return found

    @classmethod
    def old(cls, block: bytes, stored: int) -> SparseMap:
        """Return the map that a header in the old GNU format begins.

        Args:
            block: The header.
            stored: The size of the member's data in the archive, in bytes.

        Raises:
            InvalidRecordError: The map is not valid.
        """
        size = number(block[_OLD_SIZE : _OLD_SIZE + _OLD_NUMBER])
        if size is None:
            raise InvalidRecordError("the size of the sparse member is not a number")
        found = cls(size, stored, is_outside=True)
        found._take_old(block[_OLD_MAP:_OLD_CONTINUES], is_last=not block[_OLD_CONTINUES])
        return found

    def take(self, block: bytes, max_bytes: int) -> None:
        """Read the next block of a map that comes before the data.

        Args:
            block: 512 bytes of the map.
            max_bytes: Ceiling for the whole map, in bytes.

        Raises:
            InvalidRecordError: The map is not valid.
            MapTooLongError: The map is longer than ``max_bytes``.
        """
        if self.is_outside:
            if len(self._old) * _OLD_NUMBER > max_bytes:
                raise MapTooLongError
            self._take_old(block[:_OLD_MORE], is_last=not block[_OLD_MORE])
            return
        self._text += block
        self._lines += block.count(b"\n")
        self._stored -= len(block)
        if len(self._text) > max_bytes:
            raise MapTooLongError
        if self._lines and self._count < 0:
            self._count = integer(bytes(self._text.partition(b"\n")[0]))
            if self._count < 0:
                raise InvalidRecordError("the number of sparse extents is negative")
        if self._lines > 2 * self._count >= 0:
            self._finish(bytes(self._text).split(b"\n")[1 : 2 * self._count + 1], self._count)
        else:
            self._check_rest()

    def _take_old(self, entries: bytes, *, is_last: bool) -> None:
        """Read entries of a map in the old GNU format; the first empty one ends the block."""
        for at in range(0, len(entries), 2 * _OLD_NUMBER):
            if not entries[at]:
                break
            self._old += (entries[at : at + _OLD_NUMBER], entries[at + _OLD_NUMBER :][:_OLD_NUMBER])
        if is_last:
            values = [number(field) for field in self._old]
            if None in values:
                raise InvalidRecordError("a number of the sparse map is not a number")
            self._set([value for value in values if value is not None])

    def _check_rest(self) -> None:
        if self._stored < BLOCK:
            raise InvalidRecordError("the data ends inside the sparse map")

    def _finish(self, numbers: list[bytes], count: int) -> None:
        if len(numbers) != 2 * count:
            raise InvalidRecordError("the sparse map has the wrong number of extents")
        self._set([integer(text) for text in numbers])

    def _set(self, values: list[int]) -> None:
        self.extents = tuple(zip(values[::2], values[1::2], strict=True))
        self.wanted = False
        end = data = 0
        for offset, length in self.extents:
            if length < 0 or offset < end:
                raise InvalidRecordError("sparse extents overlap")
            end = offset + length
            data += length
        if end > self.size or self.size < 0:
            raise InvalidRecordError("a sparse extent ends behind the end of the file")
        if data != self._stored:
            raise InvalidRecordError(
                f"the sparse map lists {data} bytes of data, but the member has {self._stored}"
            )


def expanded(
    extents: Extents, size: int, start: int, piece_bytes: int, read: Callable[[int], bytes]
) -> Iterator[bytes]:
    """Yield the bytes of a sparse member, with zeros for its holes.

    Args:
        extents: The parts of the member that have data.
        size: The member's size when unpacked, in bytes.
        start: Offset in the member of the first byte to yield.
        piece_bytes: Size of each piece in bytes; the last piece may be shorter.
        read: Returns the given number of bytes of the member's data, from its start to its end.
    """
    zeros = bytes(min(piece_bytes, size - start))
    parts: list[bytes] = []
    room = piece_bytes
    for length, is_data in _runs(extents, size, start):
        left = length
        while left:
            step = min(left, room)
            parts.append(read(step) if is_data else zeros[:step])
            left -= step
            room -= step
            if not room:
                yield b"".join(parts)
                parts.clear()
                room = piece_bytes
    if parts:
        yield b"".join(parts)


def _runs(extents: Extents, size: int, start: int) -> Iterator[tuple[int, bool]]:
    """Yield the holes and the data from ``start`` on, each as (length, whether this is data)."""
    position = start
    for offset, length in extents:
        if offset > position:
            yield offset - position, False
            position = offset
        if offset + length > position:
            yield offset + length - position, True
            position = offset + length
    yield size - position, False
