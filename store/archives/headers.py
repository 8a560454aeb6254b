"""Tar header blocks, as Go's archive/tar reads them: ustar, GNU, PAX and the old v7."""

from __future__ import annotations

from typing import Final, NamedTuple

from store.errors import InvalidArchive, printable

BLOCK: Final = 512
ZERO_BLOCK: Final = bytes(BLOCK)

_BLANK_CHECKSUM: Final = 8 * ord(" ")
_LARGEST_SIZE: Final = 2**63 - 1
_GNU_MAGIC: Final = b"ustar  \0"
_USTAR_MAGIC: Final = b"ustar\0"
_KNOWN_FLAGS: Final = frozenset(b"\x0001234567SLKxg")


class Header(NamedTuple):
    """What of a header block matters here. ``extended``: a GNU sparse header goes on in further blocks."""

    name: bytes
    flag: bytes
    size: int
    link: bytes
    extended: bool


def parse_header(block: bytes, at: int) -> Header:
    """Read a header block that is not all zero; ``at`` is its offset, for messages. Raises InvalidArchive."""
    check_sum(block, at)
    size = number(block[124:136], "size", at)
    name = _c_string(block[0:100])
    if block[257:263] == _USTAR_MAGIC and block[257:265] != _GNU_MAGIC:
        prefix = _c_string(block[345:500])
        if prefix:
            name = prefix + b"/" + name
    for field, bounds in (("mode", (100, 108)), ("uid", (108, 116)), ("gid", (116, 124)), ("mtime", (136, 148))):
        number(block[bounds[0] : bounds[1]], field, at, signed=True)
    return Header(name, block[156:157], size, _c_string(block[157:257]), extended=block[482] != 0)


def known_flag(flag: int) -> bool:
    """Whether Docker unpacks members of this type."""
    return flag in _KNOWN_FLAGS


def check_sum(block: bytes, at: int) -> None:
    """Raises InvalidArchive when the block's checksum, signed or unsigned, is not the one it states."""
    field = block[148:156]
    total = sum(block) - sum(field) + _BLANK_CHECKSUM
    try:
        stated = int(field.strip(b" \0") or b"0", 8)
    except ValueError:
        stated = -1
    if stated == total:
        return
    # Some old tars summed signed bytes.
    signed = total - 256 * sum(byte >= 128 for position, byte in enumerate(block) if not 148 <= position < 156)  # noqa: PLR2004
    if stated != signed:
        raise InvalidArchive("invalid tar header (its checksum does not fit)", offset=at, hint="the file is no tar archive, or it is damaged")


def number(field: bytes, name: str, at: int, *, signed: bool = False) -> int:
    """A number field: octal digits, or base 256 when the top bit is set. Raises InvalidArchive."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big", signed=False) & ((1 << (8 * len(field) - 1)) - 1)
        if field[0] & 0x40:
            value -= 1 << (8 * len(field) - 1)
    else:
        digits = field.strip(b" \0").partition(b"\0")[0]
        try:
            value = int(digits, 8) if digits else 0
        except ValueError:
            raise InvalidArchive(f"invalid tar header ({name} is no number: {printable(field.decode('latin-1'))!r})", offset=at) from None
    if (value < 0 and not signed) or value > _LARGEST_SIZE:
        raise InvalidArchive(f"invalid tar header ({name} is {value})", offset=at)
    return value


def pax_records(data: bytes, at: int) -> dict[str, bytes]:
    """The records of a PAX extended header (POSIX.1-2017, pax). Raises InvalidArchive."""
    records: dict[str, bytes] = {}
    position = 0
    while position < len(data):
        space = data.find(b" ", position, position + 20)
        digits = data[position:space] if space > 0 else b""
        end = position + int(digits) if digits.isdigit() else -1
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if not position < space < end <= len(data) or data[end - 1 : end] != b"\n" or not equals or not key:
            raise InvalidArchive("invalid PAX header record", offset=at)
        if b"\0" in key or (key in (b"path", b"linkpath", b"uname", b"gname") and b"\0" in value):
            raise InvalidArchive(f"a PAX {printable(key.decode('latin-1'))} record has a NUL byte", offset=at)
        records[key.decode("utf-8", "surrogateescape")] = value
        position = end
    return records


def sparse_extension_follows(block: bytes) -> bool:
    """Whether a GNU sparse extension block is followed by another."""
    return block[504] != 0


def _c_string(field: bytes) -> bytes:
    return field.partition(b"\0")[0]
