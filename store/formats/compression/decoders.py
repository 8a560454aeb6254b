"""Decoders for compressed streams, fed in pieces of any size, with bounded output and memory.

Each decoder accepts the same input as Docker: one or more gzip members, bzip2 streams, xz streams
or zstd frames, and no other bytes after them (docker-archive.md §6.1). Zeros may follow the last
gzip member, as the program gzip allows.

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

from store.formats.compression import gzip_header, xz_header, zstd_blocks
from store.formats.compression.growth import OutputCeiling
from store.model.contents import Codec
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from store.formats.compression.growth import Ratio

PIECE_BYTES: Final = MIB
"""The most bytes that a decoder yields in one piece, however many bytes it is fed."""

WINDOW_BYTES: Final = 128 * MIB
"""The largest zstd window that is decoded, as in the ``zstd`` program without ``--long=28``."""

LARGEST_MEMORY_BYTES: Final = WINDOW_BYTES + 4 * MIB
"""The most memory that a decoder needs."""

_XZ_FILTER_BYTES: Final = MIB
"""The memory that an xz stream needs besides its dictionary. ``xz -9`` has one of 64 MiB."""

_XZ_MEMORY_BYTES: Final = WINDOW_BYTES + _XZ_FILTER_BYTES

_GZIP_MEMORY_BYTES: Final = 128 * 1024
_BZIP2_MEMORY_BYTES: Final = 4 * MIB
_ZSTD_CONTEXT_BYTES: Final = MIB // 2
"""The memory that zstd needs besides the window, for a frame's tables and three blocks."""

_XZ_PADDING: Final = 4
_FIRST_STEP: Final = 16 * 1024
_USUAL_HEADER: Final = 512


class Decoder(Protocol):
    """A decoder for one stream that is fed in pieces.

    If a call raises an error, the bytes yielded so far are only a prefix of the decoded stream.
    Consume the iterator of each call before the next call.

    Attributes:
        padding_bytes: How many zeros were ignored behind the last stream, where the format has no
            padding of its own.
    """

    padding_bytes: int

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


def decoder(
    codec: Codec,
    *,
    max_bytes: int,
    member: str | None = None,
    ratio: Ratio | None = None,
    memory: Callable[[int], None] | None = None,
) -> Decoder:
    """Return a decoder for one stream.

    Args:
        codec: The stream's codec, as `store.formats.compression.codecs.detect` returns it.
        max_bytes: Ceiling for the decoded total, in bytes.
        member: Name of the archive member with the data, for errors; None if there is no member.
        ratio: How much larger the decoded data may be; None for no limit.
        memory: Called with the bytes of memory that the decoder needs, before it allocates them,
            and again when a later part of the stream needs more. At most `LARGEST_MEMORY_BYTES`.
            An exception that it raises ends the decoding. None for no call.
    """
    ceiling = OutputCeiling(max_bytes, PIECE_BYTES, member, ratio)
    require = memory or _ignore
    match codec:
        case Codec.IDENTITY:
            return _Identity(ceiling)
        case Codec.GZIP:
            return _Streams(
                ceiling, "gzip", lambda _: _gzip(require), header=_GZIP_HEADER, only_at_end=True
            )
        case Codec.BZIP2:
            return _Streams(ceiling, "bzip2", lambda _: _bzip2(require))
        case Codec.XZ:
            return _Streams(
                ceiling,
                "xz",
                lambda head: _xz(head, ceiling, require),
                header=_XZ_HEADER,
                padding=_XZ_PADDING,
            )
        case Codec.ZSTD:
            return _Zstd(ceiling, require)
        case _:
            assert_never(codec)


def _ignore(_size_bytes: int) -> None:
    """Count no memory."""


def _gzip(require: Callable[[int], None]) -> _Decompressor:
    require(_GZIP_MEMORY_BYTES)
    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)


def _bzip2(require: Callable[[int], None]) -> _Decompressor:
    require(_BZIP2_MEMORY_BYTES)
    return bz2.BZ2Decompressor()


def _xz(head: memoryview, ceiling: OutputCeiling, require: Callable[[int], None]) -> _Decompressor:
    dictionary = xz_header.dictionary_bytes(bytes(head[: xz_header.MAX_HEADER_BYTES])) or 0
    if dictionary > WINDOW_BYTES:
        raise ceiling.too_much_memory("xz", WINDOW_BYTES)
    require(dictionary + _XZ_FILTER_BYTES)
    # A later block may have a larger dictionary than the first, but no encoder writes that.
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=dictionary + _XZ_FILTER_BYTES)


@final
@dataclass(frozen=True, slots=True)
class _Header:
    """How to find the end of a stream's header, so that a decompressor gets it in one piece.

    Attributes:
        magic: The first bytes of a stream.
        is_whole: Whether some first bytes of a stream contain the whole header.
        max_bytes: The longest header that is accepted.
    """

    magic: bytes
    is_whole: Callable[[bytes], bool]
    max_bytes: int

    def begins(self, head: bytes | bytearray) -> bool:
        """Whether ``head`` begins with the magic number, or is itself the beginning of one."""
        return self.magic.startswith(head[: len(self.magic)])


_GZIP_HEADER: Final = _Header(gzip_header.MAGIC, gzip_header.is_whole, gzip_header.MAX_HEADER_BYTES)
_XZ_HEADER: Final = _Header(
    xz_header.MAGIC,
    lambda head: xz_header.dictionary_bytes(head) is not None,
    xz_header.MAX_HEADER_BYTES,
)


@final
class _Identity:
    """A decoder for uncompressed data, which only counts bytes and cuts the data into pieces."""

    padding_bytes = 0

    def __init__(self, ceiling: OutputCeiling) -> None:
        self._ceiling = ceiling

    def feed(self, data: bytes | memoryview) -> Iterator[bytes]:
        """Yield ``data``."""
        self._ceiling.feed(data)
        if isinstance(data, bytes) and len(data) <= PIECE_BYTES:
            if data:
                yield self._ceiling.count(data)
            return
        for start in range(0, len(data), PIECE_BYTES):
            yield self._ceiling.count(bytes(data[start : start + PIECE_BYTES]))

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
    ``only_at_end`` zeros may follow the last stream, as the program gzip allows. With ``header`` a
    decompressor gets a stream's header in one piece. Gzip needs that to decode (see
    `store.formats.compression.gzip_header`), and xz to know the memory that it needs.
    """

    def __init__(
        self,
        ceiling: OutputCeiling,
        name: str,
        new: Callable[[memoryview], _Decompressor],
        *,
        padding: int = 0,
        only_at_end: bool = False,
        header: _Header | None = None,
    ) -> None:
        self._ceiling = ceiling
        self._name = name
        self._new = new
        self._padding = 1 if only_at_end else padding
        self._only_at_end = only_at_end
        self.padding_bytes = 0
        self._header = header
        self._head = bytearray()
        self._zeros = 0
        self._stream: _Decompressor | None = None
        self._started = False
        self._step = _FIRST_STEP

    def feed(self, data: bytes | memoryview) -> Iterator[bytes]:
        """Yield the decoded bytes of ``data``."""
        self._ceiling.feed(data)
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
                head = piece if self._header is None else self._collected(self._header, piece)
                if head is None:
                    continue
                self._stream, piece = self._new(head), head
            yield from self._decode(self._stream, piece)
            if self._stream.eof:
                position -= len(self._stream.unused_data)
                self._stream = None

    def finish(self) -> Iterator[bytes]:
        """Check that the input ends after a whole stream."""
        if self._stream is not None or self._head or not self._started or self._zeros:
            raise self._ceiling.truncated(self._name)
        yield from ()

    def _collected(self, header: _Header, piece: memoryview) -> memoryview | None:
        """Return the collected start of the stream, or None while the header is incomplete."""
        if not header.begins(self._head + piece[: len(header.magic)]):
            raise self._ceiling.corrupt(
                self._name, "unexpected bytes where another stream should begin"
            )
        # Nearly every header is short and arrives in one piece, which is not copied.
        if not self._head and header.is_whole(bytes(piece[:_USUAL_HEADER])):
            return piece
        self._head += piece
        if not header.is_whole(bytes(self._head)):
            if len(self._head) > header.max_bytes:
                raise self._ceiling.corrupt(
                    self._name, f"the header is longer than {header.max_bytes} bytes"
                )
            return None
        head = memoryview(bytes(self._head))
        self._head.clear()
        return head

    def _decode(self, stream: _Decompressor, data: bytes | memoryview) -> Iterator[bytes]:
        while True:
            try:
                piece = stream.decompress(data, self._ceiling.piece_bytes)
            except lzma.LZMAError as exc:
                if "memory usage limit" in str(exc).lower():
                    raise self._ceiling.too_much_memory(self._name, _XZ_MEMORY_BYTES) from exc
                raise self._ceiling.corrupt(self._name, str(exc)) from exc
            except (OSError, ValueError, igzip_lib.IsalError) as exc:  # type: ignore[misc]  # the stub takes the class for an instance
                raise self._ceiling.corrupt(self._name, str(exc)) from exc
            if piece:
                yield self._ceiling.count(piece)
            if stream.eof or stream.needs_input:
                return
            data = b""

    def _skip_padding(self, view: memoryview) -> int:
        """Return how many bytes at the start of ``view`` are padding between streams."""
        if not self._padding or not self._started or self._head:
            return 0
        skipped = 0
        while skipped < len(view):
            piece = bytes(view[skipped : skipped + _FIRST_STEP])
            zeros = len(piece) - len(piece.lstrip(b"\0"))
            skipped += zeros
            if zeros < len(piece):
                break
        if self._only_at_end:
            self.padding_bytes += skipped
        if self.padding_bytes and skipped < len(view):
            raise self._ceiling.corrupt(
                self._name, "unexpected bytes after the zeros behind the last stream"
            )
        self._zeros = (self._zeros + skipped) % self._padding
        if self._zeros and skipped < len(view):
            raise self._ceiling.corrupt(self._name, "unexpected bytes after the end of a stream")
        return skipped


@final
class _Zstd:
    """A decoder for consecutive zstd frames, which ignores skippable frames.

    The library is fed whole blocks, so that no call yields more than `PIECE_BYTES`.
    """

    padding_bytes = 0

    def __init__(self, ceiling: OutputCeiling, require: Callable[[int], None]) -> None:
        self._ceiling = ceiling
        self._require = require
        self._context = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES)
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
        if header.window_bytes > WINDOW_BYTES:
            raise self._ceiling.too_much_memory(Codec.ZSTD, WINDOW_BYTES)
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
