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

from isal import igzip_lib

from store.formats.compression import gzip_header, xz_header, zstd_frames
from store.formats.compression.growth import OutputCeiling
from store.model.contents import Codec
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from store.formats.compression.growth import Ratio

PIECE_BYTES: Final = zstd_frames.PIECE_BYTES
"""The most bytes that a decoder yields in one piece, however many bytes it is fed."""

WINDOW_BYTES: Final = 128 * MIB
"""The largest zstd window of a layer that is decoded, as in ``zstd`` without ``--long=28``."""

ARCHIVE_WINDOW_BYTES: Final = 512 * MIB
"""The same for an archive, of which a process decodes one at a time: ``zstd --long=29``."""

LARGEST_MEMORY_BYTES: Final = WINDOW_BYTES + 4 * MIB
"""The most memory that a decoder needs."""

_XZ_FILTER_BYTES: Final = MIB
"""The memory that an xz stream needs besides its dictionary. ``xz -9`` has one of 64 MiB."""

_XZ_MEMORY_BYTES: Final = WINDOW_BYTES + _XZ_FILTER_BYTES

_GZIP_MEMORY_BYTES: Final = 128 * 1024
_BZIP2_MEMORY_BYTES: Final = 4 * MIB
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
    window_bytes: int = WINDOW_BYTES,
    zero_padding: bool = False,
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
        window_bytes: The largest window of zstd, or dictionary of xz, that is decoded.
        zero_padding: Whether zeros may follow the last gzip member, as the program gzip allows.
            Engines refuse a layer with such zeros.
    """
    ceiling = OutputCeiling(max_bytes, PIECE_BYTES, member, ratio)
    require = memory or _ignore
    match codec:
        case Codec.IDENTITY:
            return _Identity(ceiling)
        case Codec.GZIP:
            return Streams(
                ceiling,
                "gzip",
                lambda _: _gzip(require),
                header=_GZIP_HEADER,
                only_at_end=zero_padding,
            )
        case Codec.BZIP2:
            return Streams(ceiling, "bzip2", lambda _: _bzip2(require))
        case Codec.XZ:
            return Streams(
                ceiling,
                "xz",
                lambda head: _xz(head, ceiling, require, window_bytes),
                header=_XZ_HEADER,
                padding=_XZ_PADDING,
            )
        case Codec.ZSTD:
            return zstd_frames.ZstdFrames(ceiling, require, window_bytes)
        case _:
            assert_never(codec)


def _ignore(_size_bytes: int) -> None:
    """Count no memory."""


def _gzip(require: Callable[[int], None]) -> Decompressor:
    require(_GZIP_MEMORY_BYTES)
    return igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)


def _bzip2(require: Callable[[int], None]) -> Decompressor:
    require(_BZIP2_MEMORY_BYTES)
    return bz2.BZ2Decompressor()


def _xz(
    head: memoryview, ceiling: OutputCeiling, require: Callable[[int], None], window_bytes: int
) -> Decompressor:
    dictionary = xz_header.dictionary_bytes(bytes(head[: xz_header.MAX_HEADER_BYTES])) or 0
    if dictionary > window_bytes:
        raise ceiling.too_much_memory("xz", window_bytes)
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


class Decompressor(Protocol):
    """The common interface of the decompressors in bz2, lzma, isal and lz4, each for one stream."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether more bytes come out only after more bytes went in."""

    @property
    def unused_data(self) -> bytes | None:
        """The bytes after the end of the stream; lz4 has None for no bytes."""

    def decompress(self, data: bytes | memoryview, max_length: int = -1) -> bytes:
        """Return at most ``max_length`` decoded bytes."""


@final
class Streams:
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
        new: Callable[[memoryview], Decompressor],
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
        self._stream: Decompressor | None = None
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
                position -= len(self._stream.unused_data or b"")
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

    def _decode(self, stream: Decompressor, data: bytes | memoryview) -> Iterator[bytes]:
        while True:
            try:
                piece = stream.decompress(data, self._ceiling.piece_bytes)
            except lzma.LZMAError as exc:
                if "memory usage limit" in str(exc).lower():
                    raise self._ceiling.too_much_memory(self._name, _XZ_MEMORY_BYTES) from exc
                raise self._ceiling.corrupt(self._name, str(exc)) from exc
            except (OSError, ValueError, RuntimeError, igzip_lib.IsalError) as exc:  # type: ignore[misc]  # the stub takes the class for an instance
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
