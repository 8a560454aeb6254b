"""A check that a layer is a valid tar, made while the bytes of the layer stream through."""

from __future__ import annotations

from enum import Enum, auto
from typing import final

from store.errors import InvalidArchive, TruncatedInput
from store.formats.tar.headers import ZERO_BLOCK, HeaderParser, padding
from store.formats.tar.pax import BLOCK
from store.model.limits import DEFAULT_LIMITS


class _Want(Enum):
    """The structure that the next bytes belong to."""

    HEADER = auto()
    META = auto()
    SPARSE_MAP = auto()
    SECOND_ZERO_BLOCK = auto()
    NOTHING = auto()


@final
class TarCheck:
    """A check of the structure of a tar that arrives in pieces of any size.

    The check accepts the same bytes as `store.formats.tar.reader.TarReader` (docker-archive.md
    §6.1, §6.5). In particular it accepts an empty input, missing end blocks, an end inside the last
    member's padding, and any bytes after the end blocks. Skipping the data of members takes no
    time.

    Args:
        member: The layer's name in its archive, for errors. None for a tar that is not part of an
            archive. Offsets in errors count from the start of the layer.
    """

    def __init__(self, member: str | None = None) -> None:
        self._member = member
        self._parser = HeaderParser(DEFAULT_LIMITS.header_bytes, member)
        self._position = 0
        self._want = _Want.HEADER
        self._need = BLOCK
        self._partial = bytearray()
        self._stored = 0
        self._sparse_outside = False
        self._skip = 0
        self._padding = 0

    def feed(self, data: bytes | memoryview) -> None:
        """Check the next bytes of the tar.

        Raises:
            InvalidArchive: The bytes are not a tar.
            TooLarge: An extension header is longer than `Limits.header_bytes`.
        """
        start, end = 0, len(data)
        while self._want is not _Want.NOTHING:
            if self._skip:
                step = min(self._skip, end - start)
                self._skip -= step
                start += step
                if self._skip:
                    break
            missing = self._need - len(self._partial)
            if end - start < missing:
                self._partial += data[start:end]
                break
            block = bytes(data[start : start + missing])
            start += missing
            if self._partial:
                # The block started in an earlier piece.
                block = bytes(self._partial) + block
                self._partial.clear()
            self._take(block, self._position + start - len(block))
        self._position += end

    def finish(self) -> None:
        """Check that the tar may end here.

        Raises:
            TruncatedInput: The tar ends inside a member or a header.
        """
        if self._skip > self._padding:
            raise TruncatedInput(
                "the tar archive ends inside a member", member=self._member, offset=self._position
            )
        if self._want in {_Want.META, _Want.SPARSE_MAP} or self._partial:
            what = (
                "the tar archive ends inside a header"
                if self._position > BLOCK
                else "not a tar archive, or one that ends inside its first header"
            )
            raise TruncatedInput(what, member=self._member, offset=self._position)

    def _take(self, block: bytes, offset: int) -> None:
        """Read the collected block at ``offset`` and choose the next structure to collect."""
        want = self._want
        if want is _Want.HEADER:
            if block == ZERO_BLOCK:
                self._want = _Want.SECOND_ZERO_BLOCK
            else:
                self._take_header(block, offset)
        elif want is _Want.META:
            self._parser.meta(block)
            self._pass_over(0, padding(len(block)))
        elif want is _Want.SPARSE_MAP:
            wanted = self._parser.sparse_block(block)
            if not self._sparse_outside:
                self._stored -= BLOCK
            if not wanted:
                self._pass_over(self._stored, padding(self._stored))
        else:
            if block != ZERO_BLOCK:
                raise InvalidArchive(
                    "invalid tar header: expected a second zero block",
                    member=self._member,
                    offset=offset,
                )
            self._want = _Want.NOTHING

    def _take_header(self, block: bytes, offset: int) -> None:
        header = self._parser.header(block, offset)
        if header.meta:
            self._want = _Want.META
            self._need = header.stored
        elif header.sparse is not None and header.sparse.wanted:
            self._want = _Want.SPARSE_MAP
            self._stored = header.stored
            self._sparse_outside = header.sparse.is_outside
        else:
            self._pass_over(header.stored, padding(header.stored))

    def _pass_over(self, data: int, padding_bytes: int) -> None:
        """Skip data and its padding, then collect the next header."""
        self._want = _Want.HEADER
        self._need = BLOCK
        self._skip = data + padding_bytes
        self._padding = padding_bytes
