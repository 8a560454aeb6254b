"""A decoder for zstd frames, fed in pieces of any size, with bounded output and memory.

Spec: RFC 8878 section 3.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

import zstandard

from store.formats.compression import zstd_blocks
from store.model.contents import Codec
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from store.formats.compression.growth import OutputCeiling

PIECE_BYTES: Final = MIB
"""The most bytes that one call of the library yields, however many bytes a decoder is fed."""

_ZSTD_CONTEXT_BYTES: Final = MIB // 2
"""The memory that zstd needs besides the window, for a frame's tables and three blocks."""


@final
class ZstdFrames:
    """A decoder for consecutive zstd frames, which ignores skippable frames.

    The library is fed whole blocks, so that no call yields more than a piece.

    Args:
        ceiling: Counts what is read and decoded.
        require: Called with the memory that a frame needs, before it is allocated.
        window_bytes: The largest window that is decoded.
    """

    padding_bytes = 0

    def __init__(
        self, ceiling: OutputCeiling, require: Callable[[int], None], window_bytes: int
    ) -> None:
        self._ceiling = ceiling
        self._require = require
        self._window_bytes = window_bytes
        self._context = zstandard.ZstdDecompressor(max_window_size=window_bytes)
        self._head = bytearray()
        self._need = len(zstd_blocks.MAGIC)
        self._skip = 0
        self._started = False
        self._blocks: zstd_blocks.BlockScanner | None = None
        self._frame = self._context.decompressobj()

    def feed(self, data: bytes | memoryview) -> Iterator[bytes]:
        """Yield the decoded bytes of ``data``."""
        self._ceiling.feed(data)
        view = memoryview(data)
        position = 0
        while position < len(view):
            self._started = True
            if self._skip:
                step = min(self._skip, len(view) - position)
                self._skip -= step
                position += step
            elif self._blocks is None:
                step = self._need - len(self._head)
                self._head += view[position : position + step]
                position = min(position + step, len(view))
                if len(self._head) == self._need:
                    self._take_head(bytes(self._head))
            else:
                end = self._scan(self._blocks, view, position)
                piece = self._decode(view[position:end])
                position = end
                if self._blocks.done:
                    self._end_frame()
                if piece:
                    yield self._ceiling.count(piece)

    def finish(self) -> Iterator[bytes]:
        """Check that the input ends after a whole frame."""
        if self._blocks is not None or self._head or self._skip or not self._started:
            raise self._ceiling.truncated(Codec.ZSTD)
        yield from ()

    def _take_head(self, head: bytes) -> None:
        """Read ``head``, the first bytes of a frame, or ask for more bytes if it is too short."""
        magic = head[: len(zstd_blocks.MAGIC)]
        if zstd_blocks.is_skippable(magic):
            if len(head) == len(magic):
                self._need = zstd_blocks.SKIPPABLE_HEADER_BYTES
                return
            self._skip = int.from_bytes(head[4:], "little")
        elif magic != zstd_blocks.MAGIC:
            raise self._ceiling.corrupt(
                Codec.ZSTD, "unexpected bytes where another frame should begin"
            )
        elif len(head) == len(magic):
            self._need = len(magic) + 1
            return
        elif len(head) == len(magic) + 1:
            try:
                self._need = zstd_blocks.header_bytes(head[-1])
            except zstd_blocks.MalformedError as exc:
                raise self._ceiling.corrupt(Codec.ZSTD, str(exc)) from exc
            return
        else:
            self._begin_frame(head)
        self._head.clear()
        self._need = len(zstd_blocks.MAGIC)

    def _begin_frame(self, head: bytes) -> None:
        header = zstd_blocks.read_header(head)
        if header.window_bytes > self._window_bytes:
            raise self._ceiling.too_much_memory(Codec.ZSTD, self._window_bytes)
        # The library allocates no more than the frame decodes to.
        window = header.window_bytes
        if header.content_bytes is not None:
            window = min(window, header.content_bytes)
        self._require(window + _ZSTD_CONTEXT_BYTES)
        self._blocks = zstd_blocks.BlockScanner(checksum=header.checksum)
        self._frame = self._context.decompressobj()
        self._decode(head)

    def _end_frame(self) -> None:
        if not self._frame.eof:
            raise self._ceiling.corrupt(Codec.ZSTD, "a frame does not end with its last block")
        self._blocks = None

    def _scan(self, blocks: zstd_blocks.BlockScanner, view: memoryview, position: int) -> int:
        try:
            return blocks.scan(view, position, PIECE_BYTES)
        except zstd_blocks.MalformedError as exc:
            raise self._ceiling.corrupt(Codec.ZSTD, str(exc)) from exc

    def _decode(self, data: bytes | memoryview) -> bytes:
        try:
            return self._frame.decompress(data)
        except zstandard.ZstdError as exc:
            raise self._ceiling.corrupt(Codec.ZSTD, str(exc)) from exc
