"""Tar archives built field by field, sound or broken on purpose: tarfile writes neither all formats nor any mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

END: Final = bytes(1024)


def block(
    name: bytes = b"file",
    size: int = 0,
    flag: bytes = b"0",
    *,
    link: bytes = b"",
    magic: bytes = b"ustar\x0000",
    **fields: bytes,
) -> bytes:
    """A header block with a sound checksum.

    ``fields`` set raw bytes by offset: ``at_345=b"prefix"``.
    """
    raw = bytearray(512)
    raw[0 : len(name)] = name
    raw[100:136] = b"0000644\0" + b"0000000\0" * 2 + b"%011o\0" % size
    raw[136:148] = b"00000000000\0"
    raw[156:157] = flag
    raw[157 : 157 + len(link)] = link
    raw[257 : 257 + len(magic)] = magic
    for key, value in fields.items():
        start = int(key.removeprefix("at_"))
        raw[start : start + len(value)] = value
    return summed(bytes(raw))


def summed(header: bytes) -> bytes:
    """``header`` with the checksum that it should have."""
    blank = header[:148] + b" " * 8 + header[156:]
    return header[:148] + b"%06o\0 " % sum(blank) + header[156:]


def padded(data: bytes) -> bytes:
    """``data`` filled up to whole blocks."""
    return data + bytes(-len(data) % 512)


def member(name: bytes = b"file", data: bytes = b"", flag: bytes = b"0", **options: bytes) -> bytes:
    """A header with its data."""
    return block(name, len(data), flag, **options) + padded(data)


def record(key: bytes, value: bytes) -> bytes:
    """One PAX record, its length included in itself."""
    body = b" " + key + b"=" + value + b"\n"
    size = len(body) + len(str(len(body)))
    size = len(body) + len(str(size))
    return str(size).encode() + body


def extended(records: dict[bytes, bytes], flag: bytes = b"x") -> bytes:
    """A PAX header."""
    return member(
        b"PaxHeaders.0/x", b"".join(record(key, value) for key, value in records.items()), flag
    )


def sparse_member(
    name: bytes, data: bytes, size: int, extents: Sequence[tuple[int, int]], version: str
) -> bytes:
    """A member of ``size`` bytes when unpacked, of which only the ``extents`` are stored, as ``data``; in the PAX format 0.0, 0.1 or 1.0."""
    numbers = [b"%d" % number for extent in extents for number in extent]
    count = b"%d" % len(extents)
    if version == "1.0":
        listed = b"\n".join([count, *numbers]) + b"\n"
        records = {
            b"GNU.sparse.major": b"1",
            b"GNU.sparse.minor": b"0",
            b"GNU.sparse.name": name,
            b"GNU.sparse.realsize": b"%d" % size,
        }
        return extended(records) + member(b"GNUSparseFile.0/x", padded(listed) + data)
    # Without any extents there is no map either: then the version alone says that it is sparse.
    head = record(b"GNU.sparse.major", b"0") + record(b"GNU.sparse.minor", version[2:].encode())
    head += record(b"GNU.sparse.size", b"%d" % size) + record(b"GNU.sparse.numblocks", count)
    if version == "0.1":
        return member(
            b"x",
            head + record(b"GNU.sparse.name", name) + record(b"GNU.sparse.map", b",".join(numbers)),
            b"x",
        ) + member(b"x", data)
    keys = (b"GNU.sparse.offset", b"GNU.sparse.numbytes") * len(extents)
    return member(b"x", head + b"".join(map(record, keys, numbers)), b"x") + member(name, data)
