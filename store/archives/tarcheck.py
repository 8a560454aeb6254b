"""Whether what passes by is a tar that Docker would unpack as a layer; its bytes are not kept (docker-archive.md §6.5)."""

from __future__ import annotations

from typing import final

from store.archives.headers import BLOCK, ZERO_BLOCK, known_flag, pax_records, parse_header, sparse_extension_follows
from store.errors import InvalidArchive, TruncatedInput

_HEADER_ONLY = frozenset(b"123456")


@final
class TarCheck:
    """Fed with a layer in pieces of any size. Accepts what Docker accepts: nothing at all, missing end blocks, junk after them, a cut in the last padding."""

    def __init__(self, member: str | None = None) -> None:
        self._member = member
        self._position = 0
        self._skip = 0
        self._padding = 0
        self._pending = bytearray()
        self._zero = False
        self._done = False
        self._pax_left = 0
        self._pax = bytearray()
        self._pax_size: int | None = None
        self._sparse = False

    def feed(self, data: bytes | memoryview) -> None:
        """Look at the next bytes. Raises InvalidArchive, with the offset inside the layer."""
        position, end = 0, len(data)
        while position < end and not self._done:
            if self._skip:
                step = min(self._skip, end - position)
                if self._pax_left:
                    taken = min(self._pax_left, step)
                    self._pax += data[position : position + taken]
                    self._pax_left -= taken
                self._skip -= step
                position += step
                self._position += step
                continue
            if not self._pending and end - position >= BLOCK:
                block = bytes(data[position : position + BLOCK])
                position += BLOCK
            else:
                step = min(BLOCK - len(self._pending), end - position)
                self._pending += data[position : position + step]
                position += step
                if len(self._pending) < BLOCK:
                    return
                block = bytes(self._pending)
                self._pending.clear()
            self._block(block)

    def finish(self) -> None:
        """The layer has ended. Raises TruncatedInput when it ends inside a header or a member's data."""
        if self._done:
            return
        if self._pending and not self._zero:
            raise TruncatedInput("the layer ends inside a tar header", member=self._member, offset=self._position + len(self._pending))
        if self._pending:
            raise InvalidArchive("a zero block is followed by something else", member=self._member, offset=self._position)
        if self._skip > self._padding:
            raise TruncatedInput("the layer ends inside a member's data", member=self._member, offset=self._position)

    def _block(self, block: bytes) -> None:
        at = self._position
        self._position += BLOCK
        if self._sparse:
            self._sparse = sparse_extension_follows(block)
            if not self._sparse:
                self._skip, self._padding = self._sparse_data
            return
        if block == ZERO_BLOCK:
            self._done = self._zero
            self._zero = True
            return
        if self._zero:
            raise InvalidArchive("a zero block is followed by something else", member=self._member, offset=at)
        try:
            self._header(block, at)
        except InvalidArchive as exc:
            raise type(exc)(exc.message.partition(", at byte")[0], member=self._member, offset=at, hint="the layer is no tar archive, or it is damaged") from None

    def _header(self, block: bytes, at: int) -> None:
        header = parse_header(block, at)
        flag = block[156]
        if not known_flag(flag):
            raise InvalidArchive(f"unhandled tar member type {header.flag!r}", offset=at)
        size = header.size
        if self._pax:
            records = pax_records(bytes(self._pax), at)
            self._pax.clear()
            if records.get("size", b"").isdigit() and header.flag not in (b"x", b"g", b"L", b"K"):
                size = int(records["size"])
        if flag in _HEADER_ONLY:
            size = 0
        self._padding = -size % BLOCK
        self._skip = size + self._padding
        if header.flag == b"x":
            self._pax_left = size
        if header.flag == b"S" and header.extended:
            self._sparse = True
            self._sparse_data = (self._skip, self._padding)
            self._skip = 0
