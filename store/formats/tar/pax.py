"""PAX extended headers, read as Go's archive/tar 1.19 does (POSIX.1-2017 pax, "pax Extended Header"; the GNU tar manual, "Storing Sparse Files")."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Records: TypeAlias = "Mapping[bytes, bytes]"

BLOCK: Final = 512
"""A tar archive consists of blocks of so many bytes."""

_INTEGER: Final = re.compile(rb"([+-]?)0*([0-9]{1,19})")
_TIME: Final = re.compile(rb"([^.]*)(?:\.[0-9]*)?")
_INTEGER_KEYS: Final = (b"uid", b"gid")
_TIME_KEYS: Final = (b"atime", b"mtime", b"ctime")
_TEXT_KEYS: Final = frozenset({b"path", b"linkpath", b"uname", b"gname"})
_SPARSE_OFFSET: Final = b"GNU.sparse.offset"
_SPARSE_BYTES: Final = b"GNU.sparse.numbytes"
_SPARSE_MAP: Final = b"GNU.sparse.map"
_SHORTEST_RECORD: Final = 5
_INT64: Final = 1 << 63


class InvalidRecordError(Exception):
    """An extended header that Go would refuse; the caller knows where it stands and says so."""


def parse(data: bytes) -> dict[bytes, bytes]:
    """The records of one extended header; of equal keys the last one counts.

    The pairs of a format 0.0 sparse map, whose keys repeat, come out as the one ``GNU.sparse.map``
    of format 0.1.

    Raises InvalidRecordError.
    """
    records: dict[bytes, bytes] = {}
    sparse: list[bytes] = []
    position = 0
    while position < len(data):
        key, value, position = _record(data, position)
        if key in (_SPARSE_OFFSET, _SPARSE_BYTES):
            if key != (_SPARSE_BYTES if len(sparse) % 2 else _SPARSE_OFFSET) or b"," in value:
                raise InvalidRecordError("the sparse map is out of order")
            sparse.append(value)
        else:
            records[key] = value
    if sparse:
        records[_SPARSE_MAP] = b",".join(sparse)
    return records


def checked_size(records: Records, size: int) -> int:
    """The size in bytes that ``records`` give the member, else ``size``.

    All other numbers among them are checked, too.

    It may be negative: whether that matters depends on the member's type.

    Raises InvalidRecordError.
    """
    for key in _INTEGER_KEYS:
        if value := records.get(key):
            integer(value)
    for key in _TIME_KEYS:
        if value := records.get(key):
            found = _TIME.fullmatch(value)
            if found is None:
                raise InvalidRecordError("a time is not a number")
            integer(found[1])
    if value := records.get(b"size"):
        return integer(value)
    return size


def integer(text: bytes) -> int:
    """A decimal integer of 64 bits. Raises InvalidRecordError."""
    # Python's int() would also take underscores, spaces and digits without end.
    found = _INTEGER.fullmatch(text)
    if found is None:
        raise InvalidRecordError("a value is not a number")
    value = -int(found[2]) if found[1] == b"-" else int(found[2])
    if not -_INT64 <= value < _INT64:
        raise InvalidRecordError("a value does not fit 64 bits")
    return value


def _record(data: bytes, start: int) -> tuple[bytes, bytes, int]:
    r"""The record ``<length> <key>=<value>\n`` at ``start``, and where the next one starts."""
    space = data.find(b" ", start)
    if space < 0:
        raise InvalidRecordError("a record without a length")
    length = integer(data[start:space])
    end = start + length
    if (
        length < _SHORTEST_RECORD
        or end > len(data)
        or end - 1 <= space + 1
        or data[end - 1 : end] != b"\n"
    ):
        raise InvalidRecordError("a record of the wrong length")
    key, equals, value = data[space + 1 : end - 1].partition(b"=")
    if not equals or not key:
        raise InvalidRecordError("a record without a key")
    if b"\0" in (value if key in _TEXT_KEYS else key):
        raise InvalidRecordError("a record with a NUL in it")
    return key, value, end
