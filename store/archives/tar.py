"""Reading tar archives by the rules of Go's archive/tar, which are Docker's (docker-archive.md §6.1): members in their order, data in pieces."""

from __future__ import annotations

import io
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol, final

from store.archives.headers import BLOCK, ZERO_BLOCK, Header, pax_records, parse_header, sparse_extension_follows
from store.errors import InvalidArchive, TooLarge, TruncatedInput, printable
from store.limits import DEFAULT_LIMITS, MIB, Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

_SKIP_BYTES: Final = MIB


class ByteSource(Protocol):
    """Anything with ``read``; short reads are allowed, an empty one is the end."""

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes."""


class SeekableSource(ByteSource, Protocol):
    """A source that can also be read elsewhere."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move; the new position."""


class MemberKind(Enum):
    """What a member is. Devices and named pipes are one kind: nothing here ever makes one."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    HARDLINK = "hard link"
    SPECIAL = "special file"


_KINDS: Final = {
    b"0": MemberKind.FILE,
    b"\0": MemberKind.FILE,
    b"7": MemberKind.FILE,
    b"S": MemberKind.FILE,
    b"1": MemberKind.HARDLINK,
    b"2": MemberKind.SYMLINK,
    b"3": MemberKind.SPECIAL,
    b"4": MemberKind.SPECIAL,
    b"5": MemberKind.DIRECTORY,
    b"6": MemberKind.SPECIAL,
}


@final
@dataclass(frozen=True, slots=True)
class Member:
    """One member: ``offset`` is where its ``size`` bytes of data begin in the (decompressed) archive. A ``sparse`` one holds fewer bytes than it stands for."""

    name: str
    kind: MemberKind
    size: int
    offset: int
    link: str = ""
    sparse: bool = False


@final
class TarReader:
    """Iterates over members. The data of the current one is read (`chunks`, `read_all`) before the next is asked for, or passed over.

    From a seekable source data is passed over by seeking, and can be read again at any time (`reread`).
    """

    def __init__(self, source: ByteSource, limits: Limits = DEFAULT_LIMITS, *, seekable: bool) -> None:
        self._source = source
        self._limits = limits
        self._seekable: SeekableSource | None = source if seekable else None  # type: ignore[assignment]
        self._size = self._seekable.seek(0, io.SEEK_END) if self._seekable is not None else None
        if self._seekable is not None:
            self._seekable.seek(0)
        self._position = 0
        self._data_end = 0
        self._padding = 0
        self._members = 0
        self._name_bytes = 0
        self._current: Member | None = None

    def __iter__(self) -> Iterator[Member]:
        """Every member up to the two zero blocks, or to the end of the input.

        Raises InvalidArchive, TruncatedInput, TooLarge.
        """
        while True:
            self._pass_over()
            member = self._next_member()
            if member is None:
                return
            self._members += 1
            if self._members > self._limits.members:
                raise TooLarge(f"the archive has more than {self._limits.members} members", limit=self._limits.members)
            self._name_bytes += len(member.name) + len(member.link)
            if self._name_bytes > self._limits.name_bytes:
                raise TooLarge(f"the names in the archive are longer than {self._limits.name_bytes} bytes together", limit=self._limits.name_bytes)
            self._current = member
            yield member

    def chunks(self, size: int) -> Iterator[bytes]:
        """The current member's data in pieces of ``size`` bytes, the last one shorter. Raises TruncatedInput."""
        member = self._current
        assert member is not None  # noqa: S101 - only while iterating
        _refuse_sparse(member)
        while self._position < self._data_end:
            yield self._exactly(min(size, self._data_end - self._position), member.name)

    def read_all(self, max_bytes: int) -> bytes:
        """The current member's data at once. Raises TooLarge, TruncatedInput."""
        if self._data_end - self._position > max_bytes:
            raise TooLarge(f"a member is larger than {max_bytes} bytes", limit=max_bytes)
        return b"".join(self.chunks(_SKIP_BYTES))

    def reread(self, member: Member, size: int) -> Iterator[bytes]:
        """The data of any member that has passed, from a seekable source, in pieces of ``size`` bytes."""
        assert self._seekable is not None  # noqa: S101 - said so by the caller
        _refuse_sparse(member)
        end = member.offset + member.size
        self._position = self._seekable.seek(member.offset)
        while self._position < end:
            yield self._exactly(min(size, end - self._position), member.name)

    # --- members -----------------------------------------------------------------------------------------------------

    def _next_member(self) -> Member | None:
        pax: dict[str, bytes] = {}
        long_name: bytes | None = None
        long_link: bytes | None = None
        while True:
            at = self._position
            block = self._block()
            if block is None:
                return None
            header = parse_header(block, at)
            if header.flag == b"x":
                pax = pax_records(self._extension(header, at), at)
            elif header.flag == b"g":
                pax_records(self._extension(header, at), at)
            elif header.flag == b"L":
                long_name = _c_string(self._extension(header, at))
            elif header.flag == b"K":
                long_link = _c_string(self._extension(header, at))
            else:
                return self._member(header, at, pax, long_name, long_link)

    def _member(self, header: Header, at: int, pax: dict[str, bytes], long_name: bytes | None, long_link: bytes | None) -> Member:
        name = pax.get("path") or long_name or header.name
        link = pax.get("linkpath") or long_link or header.link
        if b"\0" in name or b"\0" in link:
            raise InvalidArchive("a member's name has a NUL byte", member=_text(name), offset=at)
        size = header.size
        if "size" in pax:
            size = _pax_number(pax["size"], "size", at)
        kind = _KINDS.get(header.flag)
        if kind is None:
            raise InvalidArchive(f"unhandled tar member type {header.flag!r}", member=_text(name), offset=at)
        sparse = header.flag == b"S" or any(key.startswith("GNU.sparse.") for key in pax)
        if "GNU.sparse.name" in pax:
            name = pax["GNU.sparse.name"]
        if header.flag == b"S" and header.extended:
            self._pass_sparse_extensions(name)
        if kind is MemberKind.FILE and name.endswith(b"/") and header.flag in (b"0", b"\0"):
            kind = MemberKind.DIRECTORY
        if header.flag not in (b"0", b"\0", b"7", b"S"):
            # Whatever they claim, links, folders and devices have no data (archive/tar, isHeaderOnlyType).
            size = 0
        self._data_end = self._position + size
        self._padding = -size % BLOCK
        if self._size is not None and self._data_end > self._size:
            raise TruncatedInput(f"the archive ends after {self._size} bytes, inside a member of {size} bytes", member=_text(name), offset=self._position)
        return Member(_text(name), kind, size, self._position, _text(link), sparse)

    def _extension(self, header: Header, at: int) -> bytes:
        if header.size > self._limits.header_bytes:
            raise TooLarge(f"an extension header of {header.size} bytes at byte {at}", limit=self._limits.header_bytes)
        data = self._exactly(header.size, None)
        self._data_end = self._position
        self._padding = -header.size % BLOCK
        self._pass_over()
        return data

    def _pass_sparse_extensions(self, name: bytes) -> None:
        following = True
        while following:
            following = sparse_extension_follows(self._exactly(BLOCK, _text(name)))

    # --- bytes -------------------------------------------------------------------------------------------------------

    def _block(self) -> bytes | None:
        """The next header block; None at the end of the archive."""
        at = self._position
        block = self._read_block()
        if not block:
            return None
        if len(block) < BLOCK:
            raise TruncatedInput(f"the archive ends inside a header ({len(block)} of {BLOCK} bytes)", offset=at)
        if block != ZERO_BLOCK:
            return block
        second = self._read_block()
        if second and (len(second) < BLOCK or second != ZERO_BLOCK):
            raise InvalidArchive("a zero block is followed by something else", offset=self._position - len(second))
        return None

    def _read_block(self) -> bytes:
        return self._up_to(BLOCK)

    def _pass_over(self) -> None:
        """Move to the next header: past what is left of the data, and its padding, which may be cut short at the end of the input."""
        name = None if self._current is None else self._current.name
        self._current = None
        if self._seekable is not None:
            self._position = self._seekable.seek(self._data_end + self._padding)
        else:
            while self._position < self._data_end:
                self._exactly(min(_SKIP_BYTES, self._data_end - self._position), name)
            if self._padding:
                self._up_to(self._padding)
        self._padding = 0
        self._data_end = self._position

    def _exactly(self, size: int, name: str | None) -> bytes:
        data = self._up_to(size)
        if len(data) < size:
            raise TruncatedInput(f"the input ends {size - len(data)} bytes too early", member=name, offset=self._position)
        return data

    def _up_to(self, size: int) -> bytes:
        data = self._source.read(size)
        if len(data) < size:
            parts = [data]
            missing = size - len(data)
            while missing and (more := self._source.read(missing)):
                parts.append(more)
                missing -= len(more)
            data = b"".join(parts)
        self._position += len(data)
        return data


def _refuse_sparse(member: Member) -> None:
    if member.sparse:
        raise InvalidArchive("a sparse member cannot be read", member=member.name, offset=member.offset, hint="write the archive without --sparse")


def _c_string(data: bytes) -> bytes:
    return data.partition(b"\0")[0]


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _pax_number(value: bytes, key: str, at: int) -> int:
    if not value.isdigit():
        raise InvalidArchive(f"PAX record {key} is no number: {printable(value[:40].decode('latin-1'))!r}", offset=at)
    return int(value)
