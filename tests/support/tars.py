"""Tar archives built field by field, valid or broken, in forms that tarfile cannot write."""

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
    """Return a header block with a right checksum.

    ``fields`` replace the bytes at an offset, for example ``at_345=b"prefix"``.
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
    return with_checksum(bytes(raw))


def with_checksum(header: bytes) -> bytes:
    """Return ``header`` with its right checksum."""
    blank = header[:148] + b" " * 8 + header[156:]
    return header[:148] + b"%06o\0 " % sum(blank) + header[156:]


def padded(data: bytes) -> bytes:
    """Return ``data`` padded with zeros to whole blocks."""
    return data + bytes(-len(data) % 512)


def member(name: bytes = b"file", data: bytes = b"", flag: bytes = b"0", **options: bytes) -> bytes:
    """Return a tar member: its header block, and its data padded to whole blocks."""
    return block(name, len(data), flag, **options) + padded(data)


def record(key: bytes, value: bytes) -> bytes:
    """Return a PAX record, whose length counts its own digits too."""
    body = b" " + key + b"=" + value + b"\n"
    size = len(body) + len(str(len(body)))
    size = len(body) + len(str(size))
    return str(size).encode() + body


def extended(records: dict[bytes, bytes], flag: bytes = b"x") -> bytes:
    """Return a PAX header with these records."""
    return member(
        b"PaxHeaders.0/x", b"".join(record(key, value) for key, value in records.items()), flag
    )


def sparse_member(
    name: bytes, data: bytes, size: int, extents: Sequence[tuple[int, int]], version: str
) -> bytes:
    """Return a sparse member in the PAX format 0.0, 0.1 or 1.0, or in the old GNU format.

    Args:
        name: The path in the archive.
        data: The bytes of the extents, one extent after another.
        size: The size of the unpacked file in bytes.
        extents: Offset and size of each stored part, in bytes.
        version: ``0.0``, ``0.1``, ``1.0`` or ``old``.
    """
    if version == "old":
        return _old_sparse_member(name, data, size, extents)
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
    # Without extents there is no map, and only the version shows that the member is sparse.
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


def _old_sparse_member(
    name: bytes, data: bytes, size: int, extents: Sequence[tuple[int, int]]
) -> bytes:
    fields = [b"%011o\0" % offset + b"%011o\0" % length for offset, length in extents]
    more = [fields[at : at + 21] for at in range(4, len(fields), 21)]
    head = block(
        name,
        len(data),
        b"S",
        magic=b"ustar  \0",
        at_386=b"".join(fields[:4]),
        at_482=b"\1" if more else b"\0",
        at_483=b"%011o\0" % size,
    )
    blocks = [
        b"".join(some).ljust(504, b"\0") + (b"\0" if some is more[-1] else b"\1") + bytes(7)
        for some in more
    ]
    return head + b"".join(blocks) + padded(data)
