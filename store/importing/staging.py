"""Staging: read bytes once, hash, check and encode them, and write them to a file.

The files are in the folder of the operation. No transaction is open during staging.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, BinaryIO, Final, final

from store.errors import InvalidArchive, StoreError, TooLarge, printable
from store.files.os_errors import translated
from store.formats.compression.codecs import MAGIC_BYTES, detect
from store.formats.compression.decoders import decoder
from store.formats.compression.growth import ratio_of
from store.formats.compression.settings import FRAME_BYTES, Compression
from store.formats.tar.layer_check import LayerCheck
from store.importing.sinks import FrameSink, KeptSink, LayerSink, PlainSink, recorded
from store.model.contents import Codec
from store.model.digests import DEFAULT_ALGORITHM, Digest, Hashed
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from concurrent.futures import Future
    from pathlib import Path

    from store.blobs.downloads import Download
    from store.formats.compression.decoders import Decoder
    from store.formats.compression.growth import Outermost
    from store.importing.workers import Pool
    from store.model.limits import Limits
    from store.workspace.operations import Operation

_KEPT: Final = frozenset({Codec.GZIP, Codec.ZSTD})
"""Codecs that registries serve. Layers in these codecs are kept as received, others are recoded."""


@final
@dataclass(slots=True)
class Staged:
    """A file in the operation's folder.

    Attributes:
        path: Path of the file.
        diff: Digest and size of the decoded bytes.
        stored: Digest and size of the file.
        codec: The codec of the file; None if the file holds the decoded bytes.
        seekable: Whether any part can be decoded alone.
        problem: Why the bytes are not a layer; they may still be a document or some other blob.
        is_decoded: Whether all bytes were decoded, so that ``diff`` is the digest of them all.
        original: The bytes as received, if the layer was recoded and a manifest may list them.
        aliases: Other digests of the decoded bytes, each with a file of its own if ``codec`` is
            None.
        is_ours: Whether this import made the encoding.
        was_recoded: Whether the bytes were received in a codec in which they are not stored.
        is_checked: Whether it is known what the bytes are: a layer, or no layer. If not, ``diff``
            is the digest of the file, which is a compressed layer at best.
    """

    path: Path
    diff: Hashed
    stored: Hashed
    codec: Codec | None
    seekable: bool
    problem: StoreError | None = None
    is_decoded: bool = True
    original: Staged | None = None
    aliases: dict[Digest, Path] = field(default_factory=dict)
    is_ours: bool = False
    was_recoded: bool = False
    is_checked: bool = True

    @property
    def received(self) -> Hashed:
        """Digest and size of the bytes as received, as a manifest would list them."""
        if self.original is not None:
            return self.original.stored
        return self.diff if self.codec is None or self.is_ours else self.stored

    def checked(self) -> Staged:
        """Return this object if the file is a layer; raise the problem if not.

        Raises:
            InvalidArchive: The bytes are not a tar archive, or do not decode.
            TooLarge: The decoded bytes exceed the limit.
        """
        if self.problem is not None:
            raise self.problem
        return self


@final
class Stager:
    """A writer of files in the folder of one operation.

    Args:
        operation: Chooses the paths of the files.
        pool: Hashes, encodes and syncs.
        compression: How to encode layers that arrive uncompressed.
        limits: Ceilings for layers, as received and decoded.
        outermost: The counts of the archive around the layers; None for no count.
    """

    def __init__(
        self,
        operation: Operation,
        pool: Pool,
        compression: Compression,
        limits: Limits,
        outermost: Outermost | None = None,
    ) -> None:
        self._ratio = ratio_of(limits, outermost)
        self._operation = operation
        self._pool = pool
        self._compression = compression
        self._limits = limits

    def layer(
        self,
        pieces: Iterator[bytes],
        member: str,
        on_read: Callable[[int], None],
        *,
        algorithm: str = DEFAULT_ALGORITHM,
        keep_original: bool = False,
        download: Download | None = None,
        decodes: bool = True,
    ) -> Staged:
        """Stage one layer.

        Bytes that are not a layer are staged with their ``problem``: in a stream, any member may
        turn out to be a document or another blob. Bytes in bzip2 or xz raise the error instead,
        unless ``keep_original`` is set.

        Args:
            pieces: The bytes, in pieces of at most `FRAME_BYTES`.
            member: The member's name, for errors.
            on_read: Called with the number of bytes of each piece.
            algorithm: Hash algorithm of the digest of the bytes as received.
            keep_original: Whether a manifest may list the bytes as received. If so, bzip2 and xz
                are kept beside the decoded layer.
            download: A file that has the first of the pieces already, and gets the others. It stays
                if this fails; None for a file in the operation's folder.
            decodes: Whether to decode gzip and zstd. Otherwise such bytes are staged as they are,
                and are not checked.

        Returns:
            The staged file.

        Raises:
            InvalidArchive: Bzip2 or xz bytes do not decode, and ``keep_original`` is not set.
            TooLarge: The bytes as received exceed the limit; or the decoded bytes of bzip2 or xz
                exceed it, and ``keep_original`` is not set.
            StoreError: The bytes cannot be read from ``pieces``.
        """
        first = next(pieces, b"")
        codec = detect(first[:MAGIC_BYTES])
        check = LayerCheck(member)
        if codec is Codec.IDENTITY:
            with self._new_file() as (path, file):
                sink = self._plain_sink(file, algorithm)
                received = _again(first, pieces)
                if download is not None:
                    received = recorded(received, download)
                self._plain(sink, received, check, on_read)
                return self._plain_staged(path, file, sink, check)
        if codec in _KEPT and not decodes:
            received = _again(first, pieces)
            staged = self.blob(received, member, on_read, algorithm=algorithm, download=download)
            return replace(staged, is_checked=False)
        if codec in _KEPT:
            with self._file(download) as (path, file, written):
                kept = KeptSink(file, self._pool, algorithm, written)
                self._kept(kept, codec, _again(first, pieces), check, on_read)
                diff, stored = kept.finish()
                self._pool.sync(file, path)
                return Staged(
                    path,
                    diff,
                    stored,
                    codec,
                    seekable=False,
                    problem=check.problem,
                    is_decoded=check.is_decoded,
                )
        original = None
        decode = decoder(
            codec, max_bytes=self._limits.layer_bytes, member=member, ratio=self._ratio
        )
        if keep_original:
            original = self.blob(
                _again(first, pieces), member, on_read, algorithm=algorithm, download=download
            )
            plain = _decoded_file(decode, original.path)
        else:
            plain = _decoded(decode, _again(first, pieces), on_read)
        with self._new_file() as (path, file):
            sink = self._plain_sink(file, DEFAULT_ALGORITHM)
            try:
                self._plain(sink, plain, check, _ignore)
            except (InvalidArchive, TooLarge) as exc:
                if original is None:
                    raise
                check.fail(exc)
            staged = self._plain_staged(path, file, sink, check)
            staged.original = original
            staged.was_recoded = True
            return staged

    def prefetch(
        self, work: Callable[[Callable[[Iterator[bytes]], Iterator[bytes]]], Staged]
    ) -> Future[Staged]:
        """Begin to stage a layer before it is needed.

        Args:
            work: Stages the layer. It receives a function, and has to pass the pieces of the layer
                through this function, so that the work ends when the pool is closed.
        """
        return self._pool.prefetch(lambda: work(self._pool.until_closed))

    def blob(
        self,
        pieces: Iterator[bytes],
        member: str,
        on_read: Callable[[int], None],
        *,
        algorithm: str = DEFAULT_ALGORITHM,
        download: Download | None = None,
    ) -> Staged:
        """Stage bytes of any kind without decoding them.

        Args:
            pieces: The bytes, in pieces of any size.
            member: The member's name, for errors.
            on_read: Called with the number of bytes of each piece.
            algorithm: Hash algorithm of the digest.
            download: A file that has the first of the pieces already, and gets the others. It stays
                if this fails; None for a file in the operation's folder.

        Raises:
            TooLarge: The bytes exceed the limit.
            StoreError: The bytes cannot be read from ``pieces``.
        """
        with self._file(download) as (path, file, written):
            sink = PlainSink(file, self._pool, algorithm, written)
            size = 0
            for piece in pieces:
                size += len(piece)
                if size > self._limits.layer_bytes:
                    raise too_large(member, self._limits)
                sink.feed(piece)
                on_read(len(piece))
            diff, stored = sink.finish()
            self._pool.sync(file, path)
            return Staged(path, diff, stored, None, seekable=False)

    def scratch(self) -> Path:
        """Return the path of a new file, which is deleted with the operation."""
        return self._operation.new_file()

    def has_diff(self, staged: Staged, wanted: Digest) -> bool:
        """Return whether ``wanted`` is a digest of the decoded bytes of ``staged``.

        If the bytes were not hashed with the algorithm of ``wanted``, this reads the file again,
        and adds the new digest to ``staged.aliases``.
        """
        if staged.diff.digest.algorithm != wanted.algorithm and wanted not in staged.aliases:
            hashed = hashlib.new(wanted.algorithm, usedforsecurity=False)
            for piece in plain_bytes(staged, self._limits):
                hashed.update(piece)
            found = Digest(wanted.algorithm, hashed.hexdigest())
            path = staged.path
            if staged.codec is None:
                # The path of a blob contains one digest, so a second digest needs a second path.
                path = self._operation.new_file()
                with translated(path):
                    os.link(staged.path, path)
            staged.aliases[found] = path
        return wanted == staged.diff.digest or wanted in staged.aliases

    @contextmanager
    def _file(self, download: Download | None) -> Iterator[tuple[Path, BinaryIO, int]]:
        """Open the file for received bytes; yield its path, itself, and its number of bytes."""
        if download is None:
            with self._new_file() as (path, file):
                yield path, file, 0
            return
        with translated(download.path):
            try:
                yield download.path, download.file, download.size_bytes
            except BaseException:
                self._pool.settle()
                raise

    @contextmanager
    def _new_file(self) -> Iterator[tuple[Path, BinaryIO]]:
        path = self._operation.new_file()
        with translated(path), self._operation.create(path) as file:
            try:
                yield path, file
            except BaseException:
                self._pool.settle()
                # If this fails as well, the first error names the cause.
                with suppress(OSError):
                    path.unlink(missing_ok=True)
                raise

    def _plain_sink(self, file: BinaryIO, algorithm: str) -> LayerSink:
        level = self._compression.level
        return (
            PlainSink(file, self._pool, algorithm)
            if level is None
            else FrameSink(file, self._pool, level, algorithm)
        )

    def _plain_staged(
        self, path: Path, file: BinaryIO, sink: LayerSink, check: LayerCheck
    ) -> Staged:
        diff, stored = sink.finish()
        # Sync after `finish`, because `finish` writes the last bytes.
        self._pool.sync(file, path)
        codec = None if self._compression.level is None else Codec.ZSTD
        ours = codec is not None
        return Staged(
            path,
            diff,
            stored,
            codec,
            ours and diff.size_bytes > FRAME_BYTES,
            check.problem,
            check.is_decoded,
            is_ours=ours,
        )

    def _plain(
        self,
        sink: LayerSink,
        pieces: Iterator[bytes],
        check: LayerCheck,
        on_read: Callable[[int], None],
    ) -> None:
        size = 0
        for piece in pieces:
            size += len(piece)
            if size > self._limits.layer_bytes:
                raise too_large(check.member, self._limits)
            check.feed(piece)
            sink.feed(piece)
            on_read(len(piece))
        check.finish()

    def _kept(
        self,
        sink: KeptSink,
        codec: Codec,
        pieces: Iterator[bytes],
        check: LayerCheck,
        on_read: Callable[[int], None],
    ) -> None:
        decode = decoder(
            codec,
            max_bytes=self._limits.layer_bytes,
            member=check.member,
            ratio=self._ratio,
        )
        decodes = True
        size = 0
        for piece in pieces:
            size += len(piece)
            if size > self._limits.layer_bytes:
                raise too_large(check.member, self._limits)
            sink.feed_stored(piece)
            if decodes:
                decodes = check.guard(decode.feed(piece), sink.feed)
            on_read(len(piece))
        if decodes and check.guard(decode.finish(), sink.feed):
            check.finish()


def plain_bytes(staged: Staged, limits: Limits) -> Iterator[bytes]:
    """Read a staged file again and yield its decoded bytes.

    Args:
        staged: The file to read.
        limits: The ceiling for the decoded bytes.

    Raises:
        InvalidArchive: The file does not decode.
        TooLarge: The decoded bytes exceed the limit.
        Unavailable: The file cannot be read.
    """
    return (
        _read_back(staged.path)
        if staged.codec is None
        else _decoded_file(
            decoder(staged.codec, max_bytes=limits.layer_bytes, ratio=ratio_of(limits)), staged.path
        )
    )


def too_large(member: str, limits: Limits) -> TooLarge:
    """Return the error for a layer that exceeds the limit.

    Args:
        member: The member's name, for the message.
        limits: Hold the limit for layers.
    """
    return TooLarge(
        f"layer {printable(member)!r} is larger than {limits.layer_bytes} bytes",
        limit=limits.layer_bytes,
        remedy=Remedy.RAISE_LAYER_LIMIT,
    )


def _decoded(
    decode: Decoder, pieces: Iterator[bytes], on_read: Callable[[int], None]
) -> Iterator[bytes]:
    for piece in pieces:
        yield from decode.feed(piece)
        on_read(len(piece))
    yield from decode.finish()


def _decoded_file(decode: Decoder, path: Path) -> Iterator[bytes]:
    # Close the file at once when the decoder fails. A kept error refers to the frames that raised
    # it, and so to an open file.
    with closing(_read_back(path)) as pieces:
        yield from _decoded(decode, pieces, _ignore)


def _again(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _read_back(path: Path) -> Generator[bytes, None, None]:
    with translated(path), path.open("rb", buffering=0) as file:
        while piece := file.read(FRAME_BYTES):
            yield piece


def _ignore(_size: int) -> None:
    """Do not report progress: the input was counted when it was decoded."""
