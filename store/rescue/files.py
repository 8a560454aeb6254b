"""The stored files: whether they have their digests, and the layers that they decode to."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, final

from store.content.encoding_check import has_sound_frames
from store.content.streams import stream
from store.errors import InvalidInput, StoreError, Unavailable
from store.formats.compression.codecs import MAGIC_BYTES, detect
from store.formats.compression.growth import ratio_of
from store.model.contents import Codec, StoredEncoding
from store.model.digests import Digest
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from store.blobs.protocol import BlobStore, OpenBlob
    from store.content.decoding import Decoding
    from store.model.progress import Progress


@final
@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file among the blobs.

    Attributes:
        digest: The digest in its name.
        size_bytes: Its size.
        is_sound: Whether its bytes have this digest.
        is_readable: Whether all of its bytes could be read.
        codec: The codec of its bytes.
        decoded: The digests of the decoded bytes, one for each algorithm; empty if it was not
            decoded, or does not decode.
        decoded_bytes: The size of the decoded bytes.
        seekable: Whether parts of it can be decoded on their own.
    """

    digest: Digest
    size_bytes: int
    is_sound: bool
    is_readable: bool = True
    codec: Codec = Codec.IDENTITY
    decoded: tuple[Digest, ...] = ()
    decoded_bytes: int = 0
    seekable: bool = False


@final
@dataclass(slots=True)
class FileReader:
    """A reader of stored files.

    Attributes:
        blobs: The blob store.
        decoding: The ceilings and the memory for decoding.
        algorithms: The algorithms of the digests of layers.
        undecoded: The digests of files that need not be decoded.
        progress: Receives the bytes that were read.
    """

    blobs: BlobStore
    decoding: Decoding
    progress: Progress
    algorithms: Collection[str] = ("sha256",)
    undecoded: Collection[Digest] = field(default_factory=frozenset)

    def read_all(self, digests: Sequence[Digest], workers: int) -> Iterator[StoredFile]:
        """Yield what each file is, in the order of ``digests``. Several threads read.

        Args:
            digests: The digests in the names of the files.
            workers: The number of threads.
        """
        left = iter(digests)
        with ThreadPoolExecutor(workers, thread_name_prefix="rescue") as pool:
            # Few at a time: a store may have millions of files.
            pending = [pool.submit(self.read, digest) for digest in islice(left, 4 * workers)]
            while pending:
                yield pending.pop(0).result()
                pending.extend(pool.submit(self.read, digest) for digest in islice(left, 1))

    def small_file(self, digest: Digest, max_bytes: int) -> bytes | None:
        """Return the bytes of a file; None if it is missing, larger than ``max_bytes``, or wrong.

        Args:
            digest: The digest in its name.
            max_bytes: The ceiling for its size.
        """
        try:
            blob = self.blobs.open(self.blobs.location(digest))
            if blob is None:
                return None
            with blob:
                data = blob.pread(0, max_bytes) if blob.size <= max_bytes else b""
        except Unavailable:
            return None
        return data if Digest.of(data, digest.algorithm) == digest else None

    def read(self, digest: Digest) -> StoredFile:
        """Return what one file is."""
        key = str(digest)
        try:
            blob = self.blobs.open(self.blobs.location(digest))
            if blob is None:
                return StoredFile(digest, 0, is_sound=False, is_readable=False)
            with blob:
                size = blob.size
                self.progress.start(key, f"{digest.short}", size)
                try:
                    return self._read(blob, digest)
                finally:
                    self.progress.finish(key)
        except Unavailable:
            return StoredFile(digest, 0, is_sound=False, is_readable=False)

    def _read(self, blob: OpenBlob, digest: Digest) -> StoredFile:
        hashed = hashlib.new(digest.algorithm, usedforsecurity=False)
        size = 0

        def note(data: bytes) -> None:
            nonlocal size
            hashed.update(data)
            size += len(data)
            self.progress.advance(str(digest), len(data))

        codec = detect(blob.pread(0, MAGIC_BYTES))
        decoded: tuple[Digest, ...] = ()
        decoded_bytes = 0
        if codec in (Codec.GZIP, Codec.ZSTD, Codec.BZIP2, Codec.XZ) and (
            digest not in self.undecoded
        ):
            decoded, decoded_bytes = self._decoded(blob, codec, note)
        # A decoder may stop before the end, so the rest is hashed here.
        while data := blob.pread(size, MIB):
            note(data)
        if hashed.hexdigest() != digest.hex:
            return StoredFile(digest, size, is_sound=False)
        seekable = (
            codec is Codec.ZSTD
            and bool(decoded)
            and self._is_seekable(blob, digest, size, decoded[0], decoded_bytes)
        )
        return StoredFile(
            digest,
            size,
            is_sound=True,
            codec=codec,
            decoded=decoded,
            decoded_bytes=decoded_bytes,
            seekable=seekable,
        )

    def _decoded(
        self, blob: OpenBlob, codec: Codec, note: Callable[[bytes], None]
    ) -> tuple[tuple[Digest, ...], int]:
        hashes = {
            name: hashlib.new(name, usedforsecurity=False) for name in sorted(self.algorithms)
        }
        size = 0
        limits = self.decoding.limits
        try:
            with self.decoding.memory.lease() as lease:
                for piece in stream(
                    blob,
                    codec,
                    max_bytes=limits.layer_bytes,
                    memory=lease,
                    ratio=ratio_of(limits),
                    on_stored=note,
                ):
                    for one in hashes.values():
                        one.update(piece)
                    size += len(piece)
        except Unavailable:
            raise
        except (InvalidInput, StoreError):
            # These bytes are not those of a layer, or exceed its ceilings.
            return (), 0
        return tuple(Digest(name, one.hexdigest()) for name, one in hashes.items()), size

    def _is_seekable(
        self, blob: OpenBlob, digest: Digest, size: int, decoded: Digest, decoded_bytes: int
    ) -> bool:
        stored = StoredEncoding(digest, Codec.ZSTD, size, seekable=False, is_checked=True)
        try:
            return has_sound_frames(blob, stored, decoded, decoded_bytes, self.decoding.memory)
        except StoreError:
            return False
