"""A reader for the members of a tar archive, from a file or from a stream."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Final, Protocol, final

from store.errors import InvalidArchive, TooLarge, TruncatedInput, printable
from store.formats.tar.headers import (
    FLAG_DIRECTORY,
    FLAG_FILE,
    FLAG_HARDLINK,
    FLAG_LABEL,
    FLAG_SYMLINK,
    ZERO_BLOCK,
    HeaderParser,
    is_header,
    padding,
)
from store.formats.tar.pax import BLOCK
from store.formats.tar.sparse import expanded
from store.model.limits import DEFAULT_LIMITS, MIB
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from store.formats.compression.growth import Outermost
    from store.formats.tar.headers import Header
    from store.formats.tar.sparse import Extents
    from store.model.limits import Limits

_SKIP_BYTES: Final = MIB
"""Bytes per read when data of a stream is skipped."""


class ByteSource(Protocol):
    """An object with ``read``, such as a file or a pipe."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; an empty result means the end of the source."""


class SeekableSource(ByteSource, Protocol):
    """A source that can be read from any position, such as a regular file."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to ``offset`` bytes from the start (``whence`` 0) or from the end (2).

        Returns:
            The new position.
        """


class MemberKind(Enum):
    """The kinds of tar members that readers of image archives treat differently."""

    FILE = auto()
    DIRECTORY = auto()
    SYMLINK = auto()
    HARDLINK = auto()
    SPECIAL = auto()
    """A device or FIFO."""


_KINDS: Final = {
    FLAG_FILE: MemberKind.FILE,
    FLAG_DIRECTORY: MemberKind.DIRECTORY,
    FLAG_SYMLINK: MemberKind.SYMLINK,
    FLAG_HARDLINK: MemberKind.HARDLINK,
}


@final
@dataclass(frozen=True, slots=True)
class Member:
    """One member of an archive.

    ``name`` and ``link`` are decoded as UTF-8; invalid bytes become lone surrogates. ``size`` is
    the size in bytes when unpacked. ``offset`` is the offset of the data in the decompressed
    archive. For a sparse member the archive holds only ``extents``, one after the other, and all
    other bytes are zeros. ``extents`` is None for every other member.
    """

    name: str
    kind: MemberKind
    size: int
    offset: int
    link: str
    extents: Extents | None = None


@final
class TarReader:
    """A reader of members by the rules of Go's archive/tar 1.19 (docker-archive.md §6.1).

    The reader accepts missing end blocks, an end inside the padding of the last member, and any
    bytes after the end blocks except another archive. The holes of a sparse member are read as
    zeros. Type flags that Docker refuses are read as in skopeo and GNU tar: labels are skipped, and
    members of an unknown type are files.

    Args:
        source: The decompressed archive, at its start; a file at position 0.
        limits: ``members``, ``header_bytes``, ``archive_bytes``, ``trailing_bytes`` and, for sparse
            members, ``ratio`` and ``sparse_extents`` are enforced.
        seekable: Whether ``source`` is a `SeekableSource`. Then data that is not asked for is
            skipped by seeking, and `reread` works. Otherwise the whole source is read, also behind
            the end blocks, so that the writer of a pipe can finish and a decompressor reaches its
            checksum.
        outermost: The counts of the input around ``source``; None for an uncompressed file.
            ``ratio`` holds for the holes of sparse members together with the compression.
    """

    def __init__(
        self,
        source: ByteSource | SeekableSource,
        limits: Limits = DEFAULT_LIMITS,
        *,
        seekable: bool,
        outermost: Outermost | None = None,
    ) -> None:
        self._source = source
        self._outermost = outermost
        self._turn = threading.Lock()
        self._limits = limits
        self._parser = HeaderParser(limits.header_bytes)
        self._seekable: SeekableSource | None = source if seekable else None  # type: ignore[assignment]  # the caller's promise
        self._end = 0
        if self._seekable is not None:
            self._end = self._seekable.seek(0, 2)
            self._seekable.seek(0)
        self._at = 0
        self._data_end = 0
        self._next = 0
        self._given = 0
        self._hole_bytes = 0
        self._extents = 0
        self._archive_bytes = limits.archive_bytes
        self._member: Member | None = None

    def __iter__(self) -> Iterator[Member]:
        """Yield the members in archive order. Unread data of a member is skipped.

        Raises:
            InvalidArchive: The source is not a tar, a header is damaged, the archive is a later
                volume of several, or a zero block is followed by other data.
            TruncatedInput: The source ends inside a header or inside a member's data.
            TooLarge: The archive exceeds a ceiling of ``limits``.
        """
        members = 0
        while (header := self._read_member()) is not None:
            members += 1
            if members > self._limits.members:
                raise TooLarge(
                    f"the archive has more than {self._limits.members} members",
                    limit=self._limits.members,
                )
            extents = header.sparse.extents if header.sparse is not None else None
            if header.sparse is not None or self._at > self._archive_bytes:
                self._require_bounded(header)
            self._given = 0
            self._member = Member(
                header.name,
                _KINDS.get(header.flag, MemberKind.SPECIAL),
                header.size,
                self._at,
                header.link,
                extents,
            )
            yield self._member
        self._member = None
        self._read_behind_end()

    def chunks(self, size: int) -> Iterator[bytes]:
        """Yield the unread data of the current member.

        Consume the iterator before asking for the next member.

        Args:
            size: Size of each piece in bytes; the last piece may be shorter.

        Raises:
            TruncatedInput: The source ends inside the data.
        """
        member = self._current()

        def read(wanted: int) -> bytes:
            if self._seekable is not None:
                # `reread` may have moved the file position since the last piece.
                self._seekable.seek(self._at)
            piece = self._read(wanted)
            if len(piece) < wanted:
                raise TruncatedInput(
                    "the archive ends inside a member", member=member.name, offset=self._at
                )
            return piece

        for piece in _pieces(member, self._given, size, read):
            self._given += len(piece)
            yield piece
            if self._member is not member:
                raise ValueError("the reader has moved on to another member")

    def read_all(self, max_bytes: int) -> bytes:
        """Return the unread data of the current member in one piece.

        Args:
            max_bytes: The most bytes to return.

        Raises:
            TooLarge: More than ``max_bytes`` are unread.
            TruncatedInput: The source ends inside the data.
        """
        member = self._current()
        if member.size - self._given > max_bytes:
            raise TooLarge(
                f"member {printable(member.name)!r} has {member.size} bytes: the limit is"
                f" {max_bytes} bytes",
                limit=max_bytes,
            )
        return b"".join(self.chunks(_SKIP_BYTES))

    def reread(self, member: Member, size: int) -> Generator[bytes, None, None]:
        """Return an iterator over the data of an earlier member.

        The source must be open and seekable. The iterator works on any thread.

        Args:
            member: A member that this reader has yielded.
            size: Size of each piece in bytes; the last piece may be shorter.

        Raises:
            TruncatedInput: The file is shorter than it was.
            ValueError: The source is not seekable.
        """
        file = self._seekable
        if file is None:
            raise ValueError("a stream cannot be read again")
        position = member.offset

        def read(wanted: int) -> bytes:
            nonlocal position
            with self._turn:
                file.seek(position)
                piece = _read_full(file, wanted)
            position += len(piece)
            if len(piece) < wanted:
                raise TruncatedInput(
                    "the archive ends inside a member", member=member.name, offset=position
                )
            return piece

        return _pieces(member, 0, size, read)

    def _current(self) -> Member:
        if self._member is None:
            raise ValueError("no current member")
        return self._member

    def _read_member(self) -> Header | None:
        """Move to the next member's data and return its header, or None at the end."""
        parser = self._parser
        while True:
            self._skip_rest()
            at = self._at
            block = self._read(BLOCK)
            if block == ZERO_BLOCK:
                self._check_end()
                return None
            if not block:
                return None
            self._whole(block, at)
            header = parser.header(block, at)
            if header.meta:
                data = self._read(header.stored)
                if len(data) < header.stored:
                    raise TruncatedInput("the archive ends inside a header", offset=self._at)
                parser.meta(data)
                self._data_end, self._next = self._at, self._at + padding(header.stored)
                continue
            self._data_end = self._at + header.stored
            while header.sparse is not None and header.sparse.wanted:
                at = self._at
                parser.sparse_block(self._whole(self._read(BLOCK), at))
                if header.sparse.is_outside:
                    self._data_end += BLOCK
            self._next = self._data_end + padding(header.stored)
            if self._seekable is not None and self._data_end > self._end:
                raise TruncatedInput(
                    "the archive ends inside a member", member=header.name, offset=self._end
                )
            if header.flag != FLAG_LABEL:
                return header

    def _read_behind_end(self) -> None:
        """Refuse another archive behind the zero blocks, and read a stream to its end.

        Zero blocks may come between the two, because tar pads an archive with them.

        Raises:
            InvalidArchive: Another archive follows.
            TooLarge: Too many bytes follow.
        """
        if self._seekable is not None:
            self._seekable.seek(self._at)
        most = self._limits.trailing_bytes
        trailing, is_padding = 0, True
        while piece := self._read(_SKIP_BYTES):
            trailing += len(piece)
            if is_padding and (data := len(piece.lstrip(b"\0"))):
                is_padding = False
                start = (len(piece) - data) // BLOCK * BLOCK
                block = piece[start : start + BLOCK]
                if len(block) == BLOCK and is_header(block):
                    raise InvalidArchive(
                        "another archive follows the end of the first one",
                        offset=self._at - len(piece) + start,
                        hint=(
                            "split the file at that byte, after decompression, and import both"
                            " parts: docker and skopeo read the first one only"
                        ),
                    )
            if self._seekable is not None and (not is_padding or trailing > most):
                return
            if trailing > most:
                raise TooLarge(
                    f"more than {most} bytes follow the end of the archive",
                    limit=most,
                )

    def _require_bounded(self, header: Header) -> None:
        """Check the size of the archive up to a member's end, with the holes of sparse members.

        Raises:
            TooLarge: The size exceeds `Limits.archive_bytes`, the holes are too large for the data,
                or the sparse members have too many extents.
        """
        if header.sparse is not None:
            self._extents += len(header.sparse.extents)
            if self._extents > self._limits.sparse_extents:
                raise TooLarge(
                    "the sparse members of the archive have more than"
                    f" {self._limits.sparse_extents} extents",
                    limit=self._limits.sparse_extents,
                    hint="write the archive without sparse files",
                )
        self._hole_bytes += max(0, header.size - header.stored)
        expanded_bytes = self._data_end + self._hole_bytes
        if expanded_bytes > self._archive_bytes:
            raise TooLarge(
                f"the archive has more than {self._archive_bytes} bytes up to the end of member"
                f" {printable(header.name)!r}",
                limit=self._archive_bytes,
                remedy=Remedy.RAISE_LAYER_LIMIT,
            )
        read_bytes = (
            self._data_end
            if self._outermost is None
            else min(self._data_end, self._outermost.read_bytes)
        )
        if (
            self._hole_bytes
            and expanded_bytes > self._limits.free_bytes
            and expanded_bytes > self._limits.ratio * read_bytes
        ):
            raise TooLarge(
                f"the sparse members up to {printable(header.name)!r} expand {read_bytes} bytes"
                f" to {expanded_bytes}: the limit is {self._limits.ratio} : 1",
                limit=self._limits.ratio,
                remedy=Remedy.RAISE_RATIO_LIMIT,
            )

    def _check_end(self) -> None:
        """Check that after one zero block the archive ends or has a second zero block."""
        at = self._at
        block = self._read(BLOCK)
        if block and self._whole(block, at) != ZERO_BLOCK:
            raise InvalidArchive("invalid tar header: expected a second zero block", offset=at)

    def _whole(self, block: bytes, at: int) -> bytes:
        if len(block) < BLOCK:
            what = (
                "the archive ends inside a header"
                if at
                else "not a tar archive, or one that ends inside its first header"
            )
            raise TruncatedInput(what, offset=at + len(block))
        return block

    def _skip_rest(self) -> None:
        """Move past the current member's data and padding."""
        if self._seekable is not None:
            # Seek even if there is nothing to skip: `reread` may have moved the position.
            self._at = self._seekable.seek(min(self._next, self._end))
            return
        while self._at < self._next:
            piece = self._source.read(min(_SKIP_BYTES, self._next - self._at))
            if not piece:
                if self._at < self._data_end:
                    raise TruncatedInput(
                        "the archive ends inside a member",
                        member=self._current().name,
                        offset=self._at,
                    )
                return
            self._at += len(piece)

    def _read(self, size: int) -> bytes:
        data = _read_full(self._source, size)
        self._at += len(data)
        return data


def _pieces(
    member: Member, start: int, size: int, read: Callable[[int], bytes]
) -> Generator[bytes, None, None]:
    """Yield the bytes of ``member`` from ``start`` on, in pieces of ``size`` bytes.

    ``read`` returns the given number of bytes of the member's data, from its start to its end.
    """
    if member.extents is not None:
        yield from expanded(member.extents, member.size, start, size, read)
    else:
        for position in range(start, member.size, size):
            yield read(min(size, member.size - position))


def _read_full(source: ByteSource, size: int) -> bytes:
    """Return ``size`` bytes, or fewer at the end of the source. A full first read is not copied."""
    data = source.read(size)
    if len(data) == size or not data:
        return data
    parts = [data]
    missing = size - len(data)
    while missing and (data := source.read(missing)):
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)
