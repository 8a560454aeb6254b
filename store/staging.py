"""Layers on their way in: read once, hashed, checked, encoded and written to the operation's folder. No transaction is open meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, final

from store.archives.tarcheck import TarCheck
from store.codecs import MAGIC_BYTES, Codec, decoder, detect
from store.encoder import FRAME_BYTES, Compression, FrameSink, Hashed, KeptSink, LayerSink, PlainSink
from store.errors import InvalidArchive, TooLarge, printable
from store.oserrors import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from store.codecs import Decoder
    from store.encoder import Pool
    from store.limits import Limits
    from store.operations import Operation

_KEPT: Final = frozenset({Codec.GZIP, Codec.ZSTD})
"""What registries name by digest is kept as it came; bzip2 and xz layers are named by nobody."""


@final
@dataclass(slots=True)
class StagedLayer:
    """A layer in the operation's folder. ``codec`` is how the file encodes the diff, None for not at all; ``synced`` is when it is durable.

    ``problem`` says why it cannot be a layer after all (it may still be a document: see `Stager.layer`).
    """

    path: Path
    diff: Hashed
    stored: Hashed
    codec: Codec | None
    seekable: bool
    synced: Future[None]
    problem: InvalidArchive | None = None


@final
class Stager:
    """Writes layers into the folder of one operation."""

    def __init__(self, operation: Operation, pool: Pool, compression: Compression, limits: Limits) -> None:
        self._operation = operation
        self._pool = pool
        self._compression = compression
        self._limits = limits

    def layer(self, pieces: Iterator[bytes], member: str, on_read: Callable[[int], None]) -> StagedLayer:
        """Take in one layer, in pieces of at most `FRAME_BYTES`; ``on_read`` is told how many input bytes have passed.

        What is no tar is staged all the same, with its ``problem``: in a stream any member may turn out to be a document. Raises CorruptStream,
        TruncatedInput (of what is compressed), TooLarge.
        """
        path = self._operation.new_file()
        first = next(pieces, b"")
        codec = detect(first[:MAGIC_BYTES])
        check = _Check(member)
        with translated(path), path.open("xb", buffering=0) as file:
            try:
                if codec is Codec.IDENTITY:
                    stored_codec, (diff, stored) = self._plain(file, _again(first, pieces), check, on_read)
                elif codec in _KEPT:
                    stored_codec, (diff, stored) = codec, self._kept(file, codec, _again(first, pieces), check, on_read)
                else:
                    decode = decoder(codec, max_bytes=self._limits.layer_bytes, member=member)
                    stored_codec, (diff, stored) = self._plain(file, _decoded(decode, _again(first, pieces), on_read), check, _ignore)
                synced = self._pool.sync(file)
            except BaseException:
                self._pool.settle()
                path.unlink(missing_ok=True)
                raise
        ours = stored_codec is Codec.ZSTD and codec is not Codec.ZSTD
        return StagedLayer(path, diff, stored, stored_codec, ours and diff.size_bytes > FRAME_BYTES, synced, check.problem)

    def _plain(self, file: BinaryIO, pieces: Iterator[bytes], check: _Check, on_read: Callable[[int], None]) -> tuple[Codec | None, tuple[Hashed, Hashed]]:
        level = self._compression.level
        sink: LayerSink = PlainSink(file, self._pool) if level is None else FrameSink(file, self._pool, level)
        size = 0
        for piece in pieces:
            size += len(piece)
            if size > self._limits.layer_bytes:
                raise too_large(check.member, self._limits)
            check.feed(piece)
            sink.feed(piece)
            on_read(len(piece))
        check.finish()
        return None if level is None else Codec.ZSTD, sink.finish()

    def _kept(self, file: BinaryIO, codec: Codec, pieces: Iterator[bytes], check: _Check, on_read: Callable[[int], None]) -> tuple[Hashed, Hashed]:
        sink = KeptSink(file, self._pool)
        decode = decoder(codec, max_bytes=self._limits.layer_bytes, member=check.member)

        def stored() -> Iterator[bytes]:
            for piece in pieces:
                sink.feed_stored(piece)
                yield piece

        for piece in _decoded(decode, stored(), on_read):
            check.feed(piece)
            sink.feed(piece)
        check.finish()
        return sink.finish()


@final
class _Check:
    """A `TarCheck` that remembers what it finds instead of ending the pass."""

    def __init__(self, member: str) -> None:
        self.member = member
        self.problem: InvalidArchive | None = None
        self._check = TarCheck(member)

    def feed(self, piece: bytes) -> None:
        """Look at the next bytes, until something was wrong."""
        if self.problem is None:
            try:
                self._check.feed(piece)
            except InvalidArchive as exc:
                self.problem = exc

    def finish(self) -> None:
        """The layer has ended."""
        if self.problem is None:
            try:
                self._check.finish()
            except InvalidArchive as exc:
                self.problem = exc


def too_large(member: str, limits: Limits) -> TooLarge:
    """The error for a layer beyond the ceiling."""
    return TooLarge(
        f"layer {printable(member)!r} is larger than {limits.layer_bytes} bytes",
        limit=limits.layer_bytes,
        hint="raise --max-layer-size if it is meant to be that large",
    )


def _decoded(decode: Decoder, pieces: Iterator[bytes], on_read: Callable[[int], None]) -> Iterator[bytes]:
    for piece in pieces:
        yield from decode.feed(piece)
        on_read(len(piece))
    yield from decode.finish()


def _again(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _ignore(_size: int) -> None:
    """The input was counted where it was decoded."""
