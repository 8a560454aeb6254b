"""PAX extended headers, read as Go's archive/tar 1.19 reads them.

Spec: POSIX.1-2017 pax, "pax Extended Header"; the GNU tar manual, "Storing Sparse Files".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Records: TypeAlias = "Mapping[bytes, bytes]"

BLOCK: Final = 512
"""Size of a tar block in bytes."""

# The zeros are matched possessively: a value may be a million zeros.
_INTEGER: Final = re.compile(rb"([+-]?)(?=[0-9])0*+([0-9]{0,19})")
_TIME: Final = re.compile(rb"([^.]*)(?:\.[0-9]*)?")
_INTEGER_KEYS: Final = (b"uid", b"gid")
_TIME_KEYS: Final = (b"atime", b"mtime", b"ctime")
_TEXT_KEYS: Final = frozenset({b"path", b"linkpath", b"uname", b"gname"})
_SPARSE_OFFSET: Final = b"GNU.sparse.offset"
_SPARSE_BYTES: Final = b"GNU.sparse.numbytes"
_SPARSE_MAP: Final = b"GNU.sparse.map"
_SHORTEST_RECORD: Final = 5
_INT64: Final = 1 << 63
_SHOWN_BYTES: Final = 40


class InvalidRecordError(Exception):
    """An extended header that Go refuses. The caller adds the header's offset."""


def parse(data: bytes) -> dict[bytes, bytes]:
    """Return the records of one extended header. If a key is repeated, its last value wins.

    A sparse map of format 0.0 consists of repeated keys. The result holds such a map in format 0.1,
    under the key ``GNU.sparse.map``.

    Raises:
        InvalidRecordError: A record is malformed, or the pairs of a sparse map are out of order.
    """
    records: dict[bytes, bytes] = {}
    sparse: list[bytes] = []
    position = 0
    while position < len(data):
        key, value, position = _record(data, position)
        if key in (_SPARSE_OFFSET, _SPARSE_BYTES):
            if key != (_SPARSE_BYTES if len(sparse) % 2 else _SPARSE_OFFSET) or b"," in value:
                raise InvalidRecordError("the entries of the sparse map are out of order")
            sparse.append(value)
        else:
            records[key] = value
    if sparse:
        records[_SPARSE_MAP] = b",".join(sparse)
    return records


def checked_size(records: Records, size: int) -> int:
    """Return the member's size in bytes, and check all numbers in its records.

    Args:
        records: The member's extended header.
        size: The size in the member's own header.

    Returns:
        The size in ``records``, or ``size`` if the records state no size. The result may be
        negative, because not every type of member has data.

    Raises:
        InvalidRecordError: A value that must be a number is not a number.
    """
    for key in _INTEGER_KEYS:
        if value := records.get(key):
            integer(value)
    for key in _TIME_KEYS:
        if value := records.get(key):
            found = _TIME.fullmatch(value)
            if found is None:
                raise InvalidRecordError(f"the PAX value {_shown(value)} is not a time")
            integer(found[1])
    if value := records.get(b"size"):
        return integer(value)
    return size


def integer(text: bytes) -> int:
    """Return the value of a decimal 64-bit integer.

    Raises:
        InvalidRecordError: The text is not a number, or does not fit into 64 bits.
    """
    # Python's int() would accept underscores, spaces and any number of digits.
    found = _INTEGER.fullmatch(text)
    if found is None:
        raise InvalidRecordError(f"the PAX value {_shown(text)} is not a number")
    value = int(found[2] or b"0") * (-1 if found[1] == b"-" else 1)
    if not -_INT64 <= value < _INT64:
        raise InvalidRecordError(f"the PAX value {_shown(text)} does not fit into 64 bits")
    return value


def _shown(text: bytes) -> str:
    """Return ``text`` in quotes for a message, shortened if it is long."""
    return repr(text[:_SHOWN_BYTES])[1:] + ("…" if len(text) > _SHOWN_BYTES else "")


def _record(data: bytes, start: int) -> tuple[bytes, bytes, int]:
    r"""Return key, value and end offset of the record ``<length> <key>=<value>\n``."""
    space = data.find(b" ", start)
    if space < 0:
        raise InvalidRecordError("a PAX record has no length")
    length = integer(data[start:space])
    end = start + length
    if (
        length < _SHORTEST_RECORD
        or end > len(data)
        or end - 1 <= space + 1
        or data[end - 1 : end] != b"\n"
    ):
        raise InvalidRecordError("a PAX record has the wrong length")
    key, equals, value = data[space + 1 : end - 1].partition(b"=")
    if not equals or not key:
        raise InvalidRecordError("a PAX record has no key")
    if b"\0" in (value if key in _TEXT_KEYS else key):
        raise InvalidRecordError("a PAX record has a NUL character in its key or its value")
    return key, value, end
