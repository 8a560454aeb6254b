"""Sparse members.

A map of where data lies, holes everywhere else (the GNU tar manual, "Storing Sparse Files", PAX
formats 0.0, 0.1 and 1.0).

Read as Go's archive/tar 1.19 does, and expanded as Docker's unpack does. The old GNU format (type
flag ``S``) is not among them: Docker refuses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias, final

from store.formats.tar.pax import BLOCK, InvalidRecordError, integer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from store.formats.tar.pax import Records

Extents: TypeAlias = "tuple[tuple[int, int], ...]"
"""Where the data of a member lies in it: (offset, length) in bytes, ascending, not overlapping."""

_VERSIONS: Final = {(b"0", b"0"): False, (b"0", b"1"): False, (b"1", b"0"): True}
"""By major and minor number: whether the map stands in front of the data."""


class MapTooLongError(Exception):
    """The map is longer than the ceiling that the caller gave."""


@final
class SparseMap:
    """The map of one sparse member: ``size`` bytes when unpacked.

    In format 1.0 the map stands in front of the data: while ``wanted`` is true, the next block of
    it goes to `take`.
    """

    def __init__(self, size: int, stored: int) -> None:
        self.size = size
        self.wanted = True
        self.extents: Extents = ()
        self._stored = stored
        self._text = bytearray()
        self._lines = 0
        self._count = -1

    @classmethod
    def announced(cls, records: Records, stored: int) -> SparseMap | None:
        """What the extended header of a member with ``stored`` bytes says.

        None when the member is not sparse.

        Raises InvalidRecordError.
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

    def take(self, block: bytes, max_bytes: int) -> None:
        """The next block of a map that stands in front of the data.

        Raises InvalidRecordError, MapTooLongError beyond ``max_bytes``.
        """
        self._text += block
        self._lines += block.count(b"\n")
        self._stored -= len(block)
        if len(self._text) > max_bytes:
            raise MapTooLongError
        if self._lines and self._count < 0:
            self._count = integer(bytes(self._text.partition(b"\n")[0]))
            if self._count < 0:
                raise InvalidRecordError("a negative number of sparse extents")
        if self._lines > 2 * self._count >= 0:
            self._finish(bytes(self._text).split(b"\n")[1 : 2 * self._count + 1], self._count)
        else:
            self._check_rest()

    def _check_rest(self) -> None:
        if self._stored < BLOCK:
            raise InvalidRecordError("a sparse map without an end")

    def _finish(self, numbers: list[bytes], count: int) -> None:
        if len(numbers) != 2 * count:
            raise InvalidRecordError("a sparse map of the wrong length")
        values = [integer(number) for number in numbers]
        self.extents = tuple(zip(values[::2], values[1::2], strict=True))
        self.wanted = False
        end = data = 0
        for offset, length in self.extents:
            if length < 0 or offset < end:
                raise InvalidRecordError("sparse extents that overlap")
            end = offset + length
            data += length
        if end > self.size or self.size < 0:
            raise InvalidRecordError("a sparse extent beyond the end")
        if data != self._stored:
            raise InvalidRecordError("a sparse map that does not fit the data")


def expanded(
    extents: Extents, size: int, start: int, piece_bytes: int, read: Callable[[int], bytes]
) -> Iterator[bytes]:
    """The bytes of a sparse member from ``start`` to its end at ``size``, in pieces of ``piece_bytes``, the last one shorter.

    ``read`` gives exactly so many bytes of its data, in order.
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
    """Holes and data from ``start`` on, as (length, whether it is data)."""
    position = start
    for offset, length in extents:
        if offset > position:
            yield offset - position, False
            position = offset
        if offset + length > position:
            yield offset + length - position, True
            position = offset + length
    yield size - position, False
