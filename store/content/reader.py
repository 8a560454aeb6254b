"""Read and verify all bytes of a digest, from first to last, from any stored form.

Stored bytes are hashed again whenever they are read; zstd frames also carry checksums. The decoded
bytes of a foreign encoding are hashed as well, because the digest of the stored bytes does not
prove the decoded bytes. A pool of threads decodes frames ahead, while other threads compute the
hashes.
"""

from __future__ import annotations

import hashlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, Self, final

from store.content.decoding import Decoding
from store.content.frames import Frames
from store.content.stored import (
    damaged,
    false_encoding,
    open_stored,
    require_readable,
    undecodable,
)
from store.content.streams import stream
from store.errors import InvalidInput
from store.model.digests import Digest
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from store.blobs.protocol import BlobStore, OpenBlob
    from store.formats.compression.memory import MemoryBudget, MemoryLease
    from store.model.contents import Sources, StoredEncoding

PIECE_BYTES: Final = 1 * MIB
"""Bytes per read from a blob."""

_MAX_UNHASHED_PIECES: Final = 4


@final
class Reader:
    """Reads the bytes of one digest after another, with threads of its own.

    Args:
        blobs: The blob store to read from.
        workers: Number of frames that are decoded at once.
        memory: The budget for the memory of decoders; None for a budget of this reader alone.

    Attributes:
        memory: The budget for the memory of decoders.
    """

    def __init__(
        self, blobs: BlobStore, workers: int = 2, memory: MemoryBudget | None = None
    ) -> None:
        self._blobs = blobs
        self.memory = memory or Decoding().memory
        self._workers = workers
        self._decoders = ThreadPoolExecutor(workers, thread_name_prefix="decode")
        # Each hash is fed in order, so by one thread.
        self._hasher = ThreadPoolExecutor(1, thread_name_prefix="hash")
        self._content_hasher = ThreadPoolExecutor(1, thread_name_prefix="hash-content")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the threads."""
        self._decoders.shutdown(cancel_futures=True)
        self._hasher.shutdown(cancel_futures=True)
        self._content_hasher.shutdown(cancel_futures=True)

    def chunks(self, sources: Sources) -> Iterator[bytes]:
        """Return the bytes of a digest, in pieces.

        Args:
            sources: The stored forms of the digest.

        Returns:
            Pieces of any size. The pieces are sound only when the iterator has ended without an
            error: the iterator raises DamagedContent if the stored bytes do not have their digest,
            or do not decode as the catalogue records.

        Raises:
            DamagedContent: The digest was found damaged before.
            ContentMissing: No form of the bytes is stored, or the blob is missing.
            DecodersBusy: Other decoders use the memory.
        """
        require_readable(sources)
        if sources.inline is not None:
            return self._inline(sources, sources.inline)
        if sources.in_file:
            return self._plain(sources.digest, sources.size_bytes)
        return self._decoded(sources, sources.encodings[0])

    @staticmethod
    def _inline(sources: Sources, data: bytes) -> Iterator[bytes]:
        if Digest.of(data, sources.digest.algorithm) != sources.digest:
            raise damaged(sources.digest, "the bytes in the catalogue have a different digest")
        yield data

    def _plain(self, digest: Digest, size_bytes: int) -> Iterator[bytes]:
        with open_stored(self._blobs, digest) as blob:
            verifier = _Verifier(digest, size_bytes, self._hasher)
            while piece := blob.read(PIECE_BYTES):
                verifier.update(piece)
                yield piece
            verifier.require_digest()

    def _decoded(self, sources: Sources, stored: StoredEncoding) -> Iterator[bytes]:
        with open_stored(self._blobs, stored.digest) as blob, self.memory.lease() as memory:
            verifier = _Verifier(stored.digest, stored.size_bytes, self._hasher)
            content = (
                None
                if stored.is_ours
                else _Verifier(sources.digest, sources.size_bytes, self._content_hasher)
            )
            frames = Frames.of(blob, stored, sources.size_bytes, memory)
            size = 0
            for piece in (
                self._stream(blob, stored, verifier, sources.size_bytes, memory)
                if frames is None
                else self._frames(blob, frames, verifier)
            ):
                size += len(piece)
                if content is not None:
                    content.update(piece)
                yield piece
            verifier.require_digest()
            if content is not None and size == sources.size_bytes and not content.matches():
                raise false_encoding(stored.digest, sources.digest)
            if size != sources.size_bytes:
                raise damaged(
                    stored.digest,
                    f"it decodes to {size} bytes; {sources.digest} has {sources.size_bytes} bytes",
                )

    def _frames(self, blob: OpenBlob, frames: Frames, verifier: _Verifier) -> Iterator[bytes]:
        decoding: deque[Future[bytes]] = deque()
        position = 0
        for frame in frames.index:
            data = frames.read(frame)
            position += len(data)
            verifier.update(data)
            decoding.append(self._decoders.submit(frames.decode, frame, data))
            if len(decoding) > self._workers + 1:
                yield decoding.popleft().result()
        while piece := blob.pread(position, PIECE_BYTES):
            position += len(piece)
            verifier.update(piece)
        while decoding:
            yield decoding.popleft().result()

    @staticmethod
    def _stream(
        blob: OpenBlob,
        stored: StoredEncoding,
        verifier: _Verifier,
        content_bytes: int,
        memory: MemoryLease,
    ) -> Iterator[bytes]:
        try:
            yield from stream(
                blob,
                stored.codec,
                max_bytes=content_bytes,
                memory=memory,
                on_stored=verifier.update,
            )
        except InvalidInput as exc:
            raise undecodable(stored.digest, exc) from exc


@final
class _Verifier:
    """Hashes bytes on another thread, and compares their digest at the end."""

    def __init__(self, digest: Digest, size_bytes: int, hasher: ThreadPoolExecutor) -> None:
        self._digest = digest
        self._expected_bytes = size_bytes
        self._hash = hashlib.new(digest.algorithm, usedforsecurity=False)
        self._size_bytes = 0
        self._hasher = hasher
        self._pending: deque[Future[None]] = deque()

    def update(self, data: bytes) -> None:
        """Hash ``data`` on the other thread; wait while too many pieces are in memory."""
        self._size_bytes += len(data)
        self._pending.append(self._hasher.submit(self._hash.update, data))
        while len(self._pending) > _MAX_UNHASHED_PIECES:
            self._pending.popleft().result()

    def matches(self) -> bool:
        """Return whether all bytes together have the digest."""
        while self._pending:
            self._pending.popleft().result()
        return self._hash.hexdigest() == self._digest.hex

    def require_digest(self) -> None:
        """Raise DamagedContent if all bytes together do not have the digest."""
        if not self.matches():
            got = Digest(self._digest.algorithm, self._hash.hexdigest())
            raise damaged(
                self._digest,
                f"read {self._size_bytes} of {self._expected_bytes} bytes; their digest is {got}",
            )
