"""Tar headers, read by the rules of Go's archive/tar 1.19, which Docker uses to read archives.

The module reads no stream: `HeaderParser` receives one block after the other and returns how many
bytes follow. `store.formats.tar.reader` and `store.formats.tar.checker` both use it, so they accept
exactly the same bytes.

Spec: docker-archive.md §6.1; POSIX.1-2017 pax, "ustar Interchange Format" and "pax Extended
Header"; the GNU tar manual, "Basic Tar Format".
"""

from __future__ import annotations

import re
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn, final

from store.errors import InvalidArchive, TooLarge, printable
from store.formats.tar import pax
from store.formats.tar.numbers import number, octal, until_nul
from store.formats.tar.pax import BLOCK
from store.formats.tar.sparse import MapTooLongError, SparseMap

if TYPE_CHECKING:
    from store.formats.tar.pax import Records

ZERO_BLOCK: Final = bytes(BLOCK)

FLAG_FILE_V7: Final = 0
FLAG_FILE: Final = ord("0")
FLAG_HARDLINK: Final = ord("1")
FLAG_SYMLINK: Final = ord("2")
FLAG_DIRECTORY: Final = ord("5")
FLAG_LABEL: Final = ord("V")
"""The label of a GNU archive: the name of the header is the name of the archive."""

_FLAG_GNU_SPARSE: Final = ord("S")
_FLAG_GNU_DIRECTORY: Final = ord("D")
_FLAG_GNU_CONTINUED: Final = ord("M")
_FLAG_LONG_NAME: Final = ord("L")
_FLAG_LONG_LINK: Final = ord("K")
_FLAG_PAX: Final = ord("x")
_FLAG_PAX_GLOBAL: Final = ord("g")

_META_FLAGS: Final = frozenset({_FLAG_LONG_NAME, _FLAG_LONG_LINK, _FLAG_PAX, _FLAG_PAX_GLOBAL})
_NO_DATA_FLAGS: Final = frozenset(b"123456")
"""Links, devices, directories and FIFOs: no data follows, even if the size field is not 0."""
_MEMBER_FLAGS: Final = frozenset(b"\0000123456")
"""The type flags of POSIX, except ``7`` (contiguous file), which is read as a file.

As POSIX demands, a member with any other flag is a file. GNU tar has three more kinds: ``S`` is a
file with holes, ``D`` is a directory whose data lists its files, and ``V`` is a label.
"""

_GNU_FLAGS: Final = frozenset(
    {FLAG_LABEL, _FLAG_GNU_SPARSE, _FLAG_GNU_DIRECTORY, _FLAG_GNU_CONTINUED}
)

_USUAL_NUMBERS: Final = re.compile(rb"(?:[0-7]{7}\0){3}([0-7]{11})\0[0-7]{11}\0([0-7]{6})\0 ")
"""Mode, owners, size, time and checksum in the usual form: one match checks the whole run.

Headers in any other form are checked field by field.
"""
_OTHER_NUMBERS: Final = ((100, 108), (108, 116), (116, 124), (136, 148))

_USTAR: Final = b"ustar\0"
_GNU: Final = b"ustar  \0"
_STAR_TRAILER: Final = b"tar\0"
_CHECKSUM_BLANK: Final = 8 * ord(" ")


def padding(size: int) -> int:
    """Return how many bytes of padding follow ``size`` bytes of data, up to a whole block."""
    return -size & (BLOCK - 1)


class Header(NamedTuple):
    """One header block, combined with the extension headers before it.

    ``stored`` bytes of data follow, then padding. ``size`` is the member's size in bytes when
    unpacked; it differs from ``stored`` only for sparse members. If ``meta`` is true, the data is
    part of the headers: pass it to `HeaderParser.meta`. While ``sparse.wanted`` is true, the next
    block of data is part of a sparse member's map: pass it to `HeaderParser.sparse_block`.
    """

    flag: int
    name: str
    link: str
    size: int
    stored: int
    meta: bool = False
    sparse: SparseMap | None = None


@final
class HeaderParser:
    """A parser for the header blocks of one tar, from first to last.

    Args:
        header_bytes: Ceiling for the data of one PAX or GNU header, and for the map of one sparse
            member, in bytes.
        member: The layer's name in its archive, for errors. None for a tar that is not part of an
            archive.
    """

    def __init__(self, header_bytes: int, member: str | None = None) -> None:
        self._header_bytes = header_bytes
        self._member = member
        self._flag = 0
        self._offset = 0
        self._sparse: SparseMap | None = None
        self._pax: Records | None = None
        self._long_name = b""
        self._long_link = b""

    def header(self, block: bytes, offset: int) -> Header:
        """Read one block that is not all zeros.

        Args:
            block: 512 bytes.
            offset: The block's offset in the tar, in bytes.

        Raises:
            InvalidArchive: The block is not a header, or continues another volume.
            TooLarge: An extension header is longer than ``header_bytes``.
        """
        self._offset = offset
        size = self._checked_size(block)
        flag = self._flag = block[156]
        if flag in _META_FLAGS:
            if size > self._header_bytes:
                self._too_large(size)
            return Header(flag, "", "", size, size, meta=True)
        name, link = until_nul(block[:100]), until_nul(block[157:257])
        if block[345]:
            name = self._prefixed(block, name)
        if self._pax is not None or self._long_name or self._long_link:
            return self._extended(block, name, link, size)
        if flag not in _MEMBER_FLAGS:
            return self._other(block, name, size)
        if flag == FLAG_FILE_V7:
            flag = FLAG_DIRECTORY if name.endswith(b"/") else FLAG_FILE
        if flag in _NO_DATA_FLAGS:
            size = 0
        return Header(flag, _text(name), _text(link) if link else "", size, size)

    def meta(self, data: bytes) -> None:
        """Read the data of the ``meta`` header that `header` has just returned.

        Raises:
            InvalidArchive: The data has a record that Go refuses.
        """
        if self._flag == _FLAG_LONG_NAME:
            self._long_name = until_nul(data)
        elif self._flag == _FLAG_LONG_LINK:
            self._long_link = until_nul(data)
        else:
            try:
                self._pax = pax.parse(data)
            except pax.InvalidRecordError as exc:
                self._invalid(str(exc))
            if self._flag == _FLAG_PAX_GLOBAL:
                # Global records are ignored. But Go returns the global header as a member, so the
                # extension headers before it lose their effect.
                self._forget()

    def sparse_block(self, block: bytes) -> bool:
        """Read one block of the current sparse member's map.

        Returns:
            Whether another block of the map follows.

        Raises:
            InvalidArchive: The map is not valid.
            TooLarge: The map is longer than ``header_bytes``.
        """
        if self._sparse is None:
            raise ValueError("no sparse member")
        try:
            self._sparse.take(block, self._header_bytes)
        except pax.InvalidRecordError as exc:
            self._invalid(str(exc))
        except MapTooLongError:
            self._too_large(self._header_bytes + 1)
        return self._sparse.wanted

    def _checked_size(self, block: bytes) -> int:
        """Return the size field of a block, after checking its checksum and its numbers."""
        usual = _USUAL_NUMBERS.match(block, 100)
        if usual is not None:
            size: int | None = int(usual[1], 8)
            stated: int | None = int(usual[2], 8)
            sound = True
        else:
            size, stated = number(block[124:136]), octal(block[148:156])
            sound = all(number(block[start:end]) is not None for start, end in _OTHER_NUMBERS)
        if not _checksum_fits(block, stated):
            self._invalid("wrong checksum")
        magic = block[257:265]
        if magic == _GNU or magic[:6] == _USTAR:
            sound = sound and _are_numbers(block[329:345])
            if block[508] and block[508:] == _STAR_TRAILER:
                sound = (
                    sound
                    and number(block[476:488]) is not None
                    and number(block[488:500]) is not None
                )
        if size is None or not sound:
            self._invalid("the size is not a number" if size is None else "a field is not a number")
        # If no data follows, the size has no meaning and may be negative.
        if size < 0 and block[156] not in _NO_DATA_FLAGS:
            self._invalid(f"the size is negative: {size}")
        return size

    def _prefixed(self, block: bytes, name: bytes) -> bytes:
        """Return the name with the prefix at byte 345, where some formats store times instead."""
        if block[257:263] == _USTAR:
            prefix = until_nul(block[345 : 476 if block[508:] == _STAR_TRAILER else 500])
        elif block[257:265] == _GNU:
            # GNU stores access and change times here. Go before 1.8 wrote a prefix here by mistake,
            # and Go still reads the field as a prefix if it is not a time.
            if number(block[345:357]) is not None and (
                not block[357] or number(block[357:369]) is not None
            ):
                return name
            prefix = until_nul(block[345:500])
            if not prefix.isascii():
                return name
        else:
            return name
        return prefix + b"/" + name

    def _extended(self, block: bytes, name: bytes, link: bytes, size: int) -> Header:
        """Return a member's header, in which extension headers override the block's fields."""
        records: Records = self._pax or {}
        name = self._long_name or records.get(b"path") or name
        link = self._long_link or records.get(b"linkpath") or link
        self._forget()
        flag = block[156]
        if flag == FLAG_FILE_V7:
            flag = FLAG_DIRECTORY if name.endswith(b"/") else FLAG_FILE
        try:
            stored = pax.checked_size(records, size)
            if flag in _NO_DATA_FLAGS:
                stored = 0
            sparse = SparseMap.announced(records, stored)
        except pax.InvalidRecordError as exc:
            self._invalid(str(exc))
        if stored < 0:
            self._invalid(f"the size is negative: {stored}")
        if flag not in _MEMBER_FLAGS:
            if sparse is None or flag in _GNU_FLAGS:
                return self._other(block, name, stored)
            flag = FLAG_FILE
        if sparse is None:
            return Header(flag, _text(name), _text(link), stored, stored)
        if flag in _NO_DATA_FLAGS:
            self._invalid("a sparse member is not a file")
        self._sparse = sparse
        return Header(
            flag,
            _text(records.get(b"GNU.sparse.name") or name),
            _text(link),
            sparse.size,
            stored,
            sparse=sparse,
        )

    def _forget(self) -> None:
        self._pax = None
        self._long_name = self._long_link = b""

    def _invalid(self, why: str) -> NoReturn:
        if self._offset == 0:
            hint = (
                "give an image as a tar, compressed or not, or as a folder"
                if self._member is None
                else "build the image again: each layer must be a tar, compressed or not"
            )
            raise InvalidArchive(
                f"not a tar archive: {why} in the first header",
                member=self._member,
                offset=0,
                hint=hint,
            ) from None
        raise InvalidArchive(
            f"invalid tar header: {why}", member=self._member, offset=self._offset
        ) from None

    def _other(self, block: bytes, name: bytes, stored: int) -> Header:
        """Return the header of a member whose type flag is not one of POSIX."""
        flag = block[156]
        if flag == FLAG_LABEL:
            return Header(FLAG_LABEL, _text(name), "", stored, stored)
        if flag == _FLAG_GNU_DIRECTORY:
            return Header(FLAG_DIRECTORY, _text(name), "", 0, stored)
        if flag == _FLAG_GNU_CONTINUED:
            raise InvalidArchive(
                "the data begins in an earlier volume of the archive",
                member=self._member or _text(name),
                offset=self._offset,
                hint="write the archive in one volume: this is one of several",
            )
        if flag != _FLAG_GNU_SPARSE:
            return Header(FLAG_FILE, _text(name), "", stored, stored)
        if block[257:265] != _GNU:
            self._invalid("a sparse member in the GNU format has another format's magic number")
        try:
            self._sparse = sparse = SparseMap.old(block, stored)
        except pax.InvalidRecordError as exc:
            self._invalid(str(exc))
        return Header(FLAG_FILE, _text(name), "", sparse.size, stored, sparse=sparse)

    def _too_large(self, size: int) -> NoReturn:
        where = f" in member {printable(self._member)!r}" if self._member is not None else ""
        raise TooLarge(
            f"the tar extension header{where}, at byte {self._offset}, has {size} bytes: the limit"
            f" is {self._header_bytes} bytes",
            limit=self._header_bytes,
        )


def is_header(block: bytes) -> bool:
    """Whether 512 bytes have the checksum of a tar header."""
    return _checksum_fits(block, octal(block[148:156]))


def may_begin_header(start: bytes) -> bool:
    """Whether fewer than 512 bytes can be the beginning of a tar header.

    They can if they begin with a name in UTF-8, with zeros up to the end of its field, and if the
    numbers after it are numbers.
    """
    name = until_nul(start[:100])
    return (
        bool(name)
        and name.decode("utf-8", "surrogateescape").isprintable()
        and not any(start[len(name) : 100])
        and all(
            number(start[first:end]) is not None
            for first, end in ((100, 108), (108, 116), (116, 124), (124, 136), (136, 148))
            if end <= len(start)
        )
    )


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _checksum_fits(block: bytes, stated: int | None) -> bool:
    """Whether ``stated`` is the sum of all bytes, with spaces in place of the checksum field.

    The bytes may be added as unsigned or as signed numbers.
    """
    if block.isascii():
        # The lower half of Adler-32 is 1 + the sum modulo 65521, and the sum of 512 ASCII bytes is
        # smaller than that. adler32 is twenty times as fast as sum().
        return (zlib.adler32(block) & 0xFFFF) - (
            zlib.adler32(block[148:156]) & 0xFFFF
        ) + _CHECKSUM_BLANK == stated
    rest = block[:148] + block[156:]
    unsigned = sum(rest) + _CHECKSUM_BLANK
    return stated in {
        unsigned,
        unsigned - 256 * sum(byte > 127 for byte in rest),  # noqa: PLR2004
    }


@lru_cache(maxsize=1024)
def _are_numbers(fields: bytes) -> bool:
    """Whether two fields of 8 bytes are numbers.

    The results are cached, because device numbers are nearly always zero.
    """
    return number(fields[:8]) is not None and number(fields[8:]) is not None
