"""Decoders for compressed streams, fed in pieces of any size, with bounded output and memory.

Each decoder accepts the same input as Docker: one or more gzip members, bzip2 streams, xz streams
or zstd frames, and no other bytes after them (docker-archive.md §6.1).

Spec: RFC 1952 section 2.2 (gzip members); RFC 8878 section 3.1 (zstd frames); The .xz File Format
section 2.2 (stream padding).
"""

from __future__ import annotations

import bz2
import lzma
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, assert_never, final

import zstandard
from isal import igzip_lib

from store.errors import CorruptStream, TooLarge, TruncatedInput, printable
from store.formats.compression import gzip_header, zstd_blocks
from store.model.contents import Codec
from store.model.limits import MIB
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from store.model.limits import Limits

PIECE_BYTES: Final = MIB
"""The most bytes that a decoder yields in one piece, however many bytes it is fed."""

WINDOW_BYTES: Final = 128 * MIB
"""The largest zstd window that is decoded, as in the ``zstd`` program without ``--long=28``."""

_XZ_MEMORY_BYTES: Final = 256 * MIB
"""The most memory an xz stream may need; ``xz -9`` needs 65 MiB."""

_XZ_PADDING: Final = 4
_FIRST_STEP: Final = 16 * 1024
_USUAL_HEADER: Final = 512


class Decoder(Protocol):
    """A decoder for one stream that is fed in pieces.

    If a call raises an error, the bytes yielded so far are only a prefix of the decoded stream.
    Consume the iterator of each call before the next call.
    """

    def feed(self, data: bytes | memoryview) -> Iterator[bytes]:
        """Yield the decoded bytes of ``data``, in pieces of at most `PIECE_BYTES`.

        Raises:
            TooLarge: The decoded total is above the ceiling or the ratio, or decoding needs too
                much memory.
            CorruptStream: The data fails its own checks, or is followed by other bytes.
        """

    def finish(self) -> Iterator[bytes]:
        """Yield the remaining decoded bytes after the last input.

        Raises:
            TruncatedInput: The input ends inside a stream or frame.
            TooLarge: The decoded total is above the ceiling, or decoding needs too much memory.
            CorruptStream: The data fails its own checks.
        """


@final
@dataclass(frozen=True, slots=True)
class Ratio:
    """A ceiling for the ratio of decoded to encoded bytes.

    Attributes:
        limit: The most decoded bytes for each encoded byte.
        free_bytes: The number of decoded bytes up to which the ratio is not checked.
    """

    limit: int
    free_bytes: int


def ratio_of(limits: Limits) -> Ratio:
    """Return the ceiling for the growth of an import's data when it is decoded."""
    return Ratio(limits.ratio, limits.free_bytes)


def decoder(
    codec: Codec, *, max_bytes: int, member: str | None = None, ratio: Ratio | None = None
) -> Decoder:
    """Return a decoder for one stream.

    Args:
        codec: The stream's codec, as `store.formats.compression.codecs.detect` returns it.
        max_bytes: Ceiling for the decoded total, in bytes.
        member: Name of the archive member with the data, for errors; None if there is no member.
        ratio: How much larger the decoded data may be; None for no limit.
    """
    budget = _Budget(max_bytes, member, ratio)
    match codec:
        case Codec.IDENTITY:
            return _Identity(budget)
        case Codec.GZIP:
            return _Streams(
                budget,
                "gzip",
                lambda: igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP),
                whole_headers=True,
            )
        case Codec.BZIP2:
            return _Streams(budget, "bzip2", bz2.BZ2Decompressor)
        case Codec.XZ:
            return _Streams(
                budget,
                "xz",
                lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES),
                padding=_XZ_PADDING,
            )
        case Codec.ZSTD:
            return _Zstd(budget)
        case _:
            assert_never(codec)


@final
class _Budget:
    """A counter of the bytes that a decoder yields. It also makes the decoder's errors."""

    def __init__(self, max_bytes: int, member: str | None, ratio: Ratio | None) -> None:
        self._max_bytes = max_bytes
        self._left = max_bytes
        self._member = member
        self._ratio = ratio
        self._fed = 0

    @property
    def piece_bytes(self) -> int:
        """Return how many bytes to ask a library for: at most one more than the ceiling allows."""
        return min(PIECE_BYTES, self._left + 1)

    def feed(self, data: bytes | memoryview) -> None:
        """Count encoded bytes."""
        self._fed += len(data)

    def count(self, piece: bytes) -> bytes:
        """Count ``piece`` and return it.

        Raises:
            TooLarge: The decoded total is above the ceiling, or too large for the encoded bytes.
        """
        self._left -= len(piece)
        decoded = self._max_bytes - self._left
        if (
            self._ratio is not None
            and decoded > self._ratio.free_bytes
            and decoded > self._ratio.limit * self._fed
        ):
            raise TooLarge(
                f"the data{self._of()} decodes to {decoded} bytes after {self._fed} bytes of input:"
                f" the limit is {self._ratio.limit} : 1",
                limit=self._ratio.limit,
                remedy=Remedy.RAISE_RATIO_LIMIT,
            )
        if self._left < 0:
            raise TooLarge(
                f"the data{self._of()} decodes to more than {self._max_bytes} bytes",
                limit=self._max_bytes,
                remedy=None if self._member is None else Remedy.RAISE_LAYER_LIMIT,
            )
        return piece

    def too_much_memory(self, codec: str, limit: int) -> TooLarge:
        return TooLarge(
            f"the {codec} data{self._of()} needs more than {limit // MIB} MiB of memory to decode",
            limit=limit,
            hint="compress the data again with a smaller window or dictionary",
        )

    def corrupt(self, codec: str, why: str) -> CorruptStream:
        return CorruptStream(f"corrupt {codec} data {self._after()}: {why}", member=self._member)

    def truncated(self, codec: str) -> TruncatedInput:
        return TruncatedInput(f"the {codec} data ends early, {self._after()}", member=self._member)

    def _after(self) -> str:
        """Return after how many decoded bytes an error occurred, as text for a message.

        The position in the encoded data is unknown, because the libraries buffer their input.
        """
        return f"after {self._max_bytes - self._left} decoded bytes"

    def _of(self) -> str:
        return f" of member {printable(self._member)!r}" if self._member is not None else ""


@final
class _Identity:
    """A decoder for uncompressed data, which only counts bytes and cuts the data into pieces."""

    def __init__(self, budget: _Budget) -> None:
        self._budget = budget

    def feed(self, data: bytes | memoryview) -> Iterator[bytes]:
        """Yield ``data``."""
        self._budget.feed(data)
        if isinstance(data, bytes) and len(data) <= PIECE_BYTES:
            if data:
                yield self._budget.count(data)
            return
        for start in range(0, len(data), PIECE_BYTES):
            yield self._budget.count(bytes(data[start : start + PIECE_BYTES]))

    def finish(self) -> Iterator[bytes]:
        """Accept an end at any byte: uncompressed data has no structure to check."""
        yield from ()


class _Decompressor(Protocol):
    """The common interface of the decompressors in bz2, lzma and isal, each for one stream."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes | memoryview, max_length: int = -1) -> bytes: ...


@final
class _Streams:
    """A decoder for consecutive streams, which uses a new decompressor for each stream.

    Xz allows zeros between and after the streams, in groups of ``padding`` bytes. With
    ``whole_headers`` a decompressor gets a stream's header in one piece (see
    `store.formats.compression.gzip_header`).
    """

    def __init__(
        self,
        budget: _Budget,
        name: str,
        new: Callable[[], _Decompressor],
        *,
        padding: int = 0,
        whole_headers: bool = False,
    ) -> None:
        self._budget = budget
        self._name = name
        self._new = new
        self._padding = padding
        self._whole_headers = whole_headers
        self._head = bytearray()
        self._zeros = 0
        self._stream: _Decompressor | None = None
        self._started = False
        self._step = _FIRST_STEP

    def feed(self, data: bytes | memoryview) -> Iterator[bytes]:
        """Yield the decoded bytes of ``data``."""
        self._budget.feed(data)
        view = memoryview(data)
        position = 0
        while position < len(view):
            if self._stream is None:
                position += self._skip_padding(view[position:])
                if position == len(view):
                    return
                self._started, self._step = True, _FIRST_STEP
            # The library copies the bytes after the end of a stream. Start with small steps, so
            # that a million tiny streams do not copy the whole input a million times.
            piece = view[position : position + self._step]
            position += len(piece)
            self._step *= 2
            if self._stream is None:
                head = self._header(piece)
                if head is None:
                    continue
                self._stream, piece = self._new(), head
            yield from self._decode(self._stream, piece)
            if self._stream.eof:
                position -= len(self._stream.unused_data)
                self._stream = None

    def finish(self) -> Iterator[bytes]:
        """Check that the input ends after a whole stream."""
        if self._stream is not None or self._head or not self._started or self._zeros:
            raise self._budget.truncated(self._name)
        yield from ()

    def _header(self, piece: memoryview) -> memoryview | None:
        """Return the collected start of the stream, or None while the header is incomplete."""
        if not self._whole_headers:
            return piece
        if not gzip_header.begins(self._head + piece[: len(gzip_header.MAGIC)]):
            raise self._budget.corrupt(
                self._name, "unexpected bytes where another stream should begin"
            )
        # Nearly every header is short and arrives in one piece, which is not copied.
        if not self._head and gzip_header.is_whole(bytes(piece[:_USUAL_HEADER])):
            return piece
        self._head += piece
        if not gzip_header.is_whole(self._head):
            if len(self._head) > gzip_header.MAX_HEADER_BYTES:
                raise self._budget.corrupt(
                    self._name, f"the header is longer than {gzip_header.MAX_HEADER_BYTES} bytes"
                )
            return None
        head = memoryview(bytes(self._head))
        self._head.clear()
        return head

    def _decode(self, stream: _Decompressor, data: bytes | memoryview) -> Iterator[bytes]:
        while True:
            try:
                piece = stream.decompress(data, self._budget.piece_bytes)
            except lzma.LZMAError as exc:
                if "memory usage limit" in str(exc).lower():
                    raise self._budget.too_much_memory(self._name, _XZ_MEMORY_BYTES) from exc
                raise self._budget.corrupt(self._name, str(exc)) from exc
            except (OSError, ValueError, igzip_lib.IsalError) as exc:  # type: ignore[misc]  # the stub takes the class for an instance
                raise self._budget.corrupt(self._name, str(exc)) from exc
            if piece:
                yield self._budget.count(piece)
            if stream.eof or stream.needs_input:
                return
            data = b""

    def _skip_padding(self, view: memoryview) -> int:
        """Return how many bytes at the start of ``view`` are padding between streams."""
        if not self._padding or not self._started:
            return 0
        skipped = 0
        while skipped < len(view):
            piece = bytes(view[skipped : skipped + _FIRST_STEP])
            zeros = len(piece) - len(piece.lstrip(b"\0"))
            skipped += zeros
            if zeros < len(piece):
                break
        self._zeros = (self._zeros + skipped) % self._padding
        if self._zeros and skipped < len(view):
            raise self._budget.corrupt(self._name, "unexpected bytes after the end of a stream")
        return skipped


@final
class _Zstd:
    """A decoder for consecutive zstd frames, which ignores skippable frames.

    The library is fed whole blocks, so that no call yields more than `PIECE_BYTES`.
    """

    def __init__(self, budget: _Budget) -> None:
        self._budget = budget
        self._context = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES)
        self._head = bytearray()
        self._need = len(zstd_blocks.MAGIC)
        self._skip = 0
        self._started = False
        self._blocks: zstd_blocks.BlockScanner | None = None
        self._frame = self._context.decompressobj()

    def feed(self, data: bytes | memoryview) -> Iterator[bytes]:
        """Yield the decoded bytes of ``data``."""
        self._budget.feed(data)
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
                    yield self._budget.count(piece)

    def finish(self) -> Iterator[bytes]:
        """Check that the input ends after a whole frame."""
        if self._blocks is not None or self._head or self._skip or not self._started:
            raise self._budget.truncated(Codec.ZSTD)
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
            raise self._budget.corrupt(
                Codec.ZSTD, "unexpected bytes where another frame should begin"
            )
        elif len(head) == len(magic):
            self._need = len(magic) + 1
            return
        elif len(head) == len(magic) + 1:
            try:
                self._need = zstd_blocks.header_bytes(head[-1])
            except zstd_blocks.MalformedError as exc:
                raise self._budget.corrupt(Codec.ZSTD, str(exc)) from exc
            return
        else:
            self._begin_frame(head)
        self._head.clear()
        self._need = len(zstd_blocks.MAGIC)

    def _begin_frame(self, head: bytes) -> None:
        header = zstd_blocks.read_header(head)
        if header.window_bytes > WINDOW_BYTES:
            raise self._budget.too_much_memory(Codec.ZSTD, WINDOW_BYTES)
        self._blocks = zstd_blocks.BlockScanner(checksum=header.checksum)
        self._frame = self._context.decompressobj()
        self._decode(head)

    def _end_frame(self) -> None:
        if not self._frame.eof:
            raise self._budget.corrupt(Codec.ZSTD, "a frame does not end with its last block")
        self._blocks = None

    def _scan(self, blocks: zstd_blocks.BlockScanner, view: memoryview, position: int) -> int:
        try:
            return blocks.scan(view, position, PIECE_BYTES)
        except zstd_blocks.MalformedError as exc:
            raise self._budget.corrupt(Codec.ZSTD, str(exc)) from exc

    def _decode(self, data: bytes | memoryview) -> bytes:
        try:
            return self._frame.decompress(data)
        except zstandard.ZstdError as exc:
            raise self._budget.corrupt(Codec.ZSTD, str(exc)) from exc
