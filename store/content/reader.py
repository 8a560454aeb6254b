"""Opening content: whatever form its bytes lie in, they come out whole, in order and verified.

Stored bytes are hashed again whenever they are read; zstd frames carry checksums besides. Frames
are decoded ahead by the pool while the stored bytes are hashed on a lane of their own.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, BinaryIO, Self, final

import zstandard

from store.content.frames import PIECE_BYTES, damaged, frame_index
from store.errors import ContentMissing, CorruptStream, StoreError
from store.files.os_errors import translated
from store.formats.compression.codecs import Codec
from store.formats.compression.decoders import decoder
from store.model.contents import ContentState
from store.model.digests import Digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from store.blobs.protocol import BlobStore
    from store.model.contents import Sources, StoredEncoding


@final
class Reader:
    """Reads contents one after another, with threads of its own."""

    def __init__(self, blobs: BlobStore, workers: int = 2) -> None:
        self._blobs = blobs
        self._workers = workers
        self._decoders = ThreadPoolExecutor(workers, thread_name_prefix="decode")
        self._hasher = ThreadPoolExecutor(1, thread_name_prefix="hash")
        self._local = threading.local()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the threads."""
        self._decoders.shutdown(cancel_futures=True)
        self._hasher.shutdown(cancel_futures=True)

    def chunks(self, sources: Sources) -> Iterator[bytes]:
        """The bytes of a content, in pieces.

        What came out is only sound once the iterator has ended.

        Raises DamagedContent when stored bytes fail their digest or do not decode to what they
        should, ContentMissing when there is no form of them here.
        """
        if sources.inline is not None:
            return self._inline(sources)
        if sources.state is ContentState.DAMAGED:
            raise damaged(sources.digest, "it was found damaged before")
        if sources.in_file:
            return self._plain(sources.digest, sources.size_bytes)
        if sources.encodings:
            return self._decoded(sources, sources.encodings[0])
        raise ContentMissing(
            f"the bytes of {sources.digest} are not in the store", digest=sources.digest
        )

    def _inline(self, sources: Sources) -> Iterator[bytes]:
        data = sources.inline or b""
        if Digest.of(data, sources.digest.algorithm) != sources.digest:
            raise damaged(sources.digest, "the catalogue holds other bytes under this digest")
        yield data

    def _plain(self, digest: Digest, size_bytes: int) -> Iterator[bytes]:
        with self._blobs.open(digest) as file:
            verifier = _Verifier(digest, size_bytes, self._hasher)
            for piece in _pieces(file, digest):
                verifier.update(piece)
                yield piece
            verifier.verdict()

    def _decoded(self, sources: Sources, stored: StoredEncoding) -> Iterator[bytes]:
        with self._blobs.open(stored.digest) as file:
            verifier = _Verifier(stored.digest, stored.size_bytes, self._hasher)
            size = 0
            try:
                pieces = (
                    self._frames(file, stored, verifier)
                    if stored.codec == "zstd"
                    else self._stream(file, stored, verifier, sources.size_bytes)
                )
                for piece in pieces:
                    size += len(piece)
                    yield piece
            except (CorruptStream, zstandard.ZstdError) as exc:
                raise damaged(stored.digest, str(exc)) from exc
            verifier.verdict()
            if size != sources.size_bytes:
                raise damaged(
                    stored.digest,
                    f"it decodes to {size} bytes, not the {sources.size_bytes} of {sources.digest}",
                )

    def _frames(
        self, file: BinaryIO, stored: StoredEncoding, verifier: _Verifier
    ) -> Iterator[bytes]:
        frames = frame_index(file, stored)
        if frames is None:
            yield from self._stream(file, stored, verifier, None)
            return
        ahead: deque[Future[bytes]] = deque()
        for frame in frames:
            with translated(str(stored.digest)):
                data = file.read(frame.stored_bytes)
            verifier.update(data)
            ahead.append(self._decoders.submit(self._decode, data, frame.content_bytes))
            if len(ahead) > self._workers + 1:
                yield ahead.popleft().result()
        for piece in _pieces(file, stored.digest):
            verifier.update(piece)
        while ahead:
            yield ahead.popleft().result()

    def _decode(self, data: bytes, content_bytes: int) -> bytes:
        known = self._local.__dict__
        if "decompressor" not in known:
            known["decompressor"] = zstandard.ZstdDecompressor()
        if zstandard.frame_content_size(data) != content_bytes:
            # As much memory as the frame's header says is allocated at once, whatever the ceiling:
            # a flipped bit there must not ask for exabytes.
            raise CorruptStream("a frame's header does not fit the seek table")
        decoded: bytes = known["decompressor"].decompress(data, max_output_size=content_bytes)
        if len(decoded) != content_bytes:
            raise CorruptStream(
                f"a frame decodes to {len(decoded)} bytes, its table says {content_bytes}"
            )
        return decoded

    def _stream(
        self, file: BinaryIO, stored: StoredEncoding, verifier: _Verifier, size_bytes: int | None
    ) -> Iterator[bytes]:
        decode = decoder(
            Codec(stored.codec), max_bytes=(1 << 62) if size_bytes is None else size_bytes
        )
        try:
            for piece in _pieces(file, stored.digest):
                verifier.update(piece)
                yield from decode.feed(piece)
            yield from decode.finish()
        except StoreError as exc:
            raise damaged(stored.digest, exc.message) from exc


@final
class _Verifier:
    """Hashes what passes on another thread and gives its verdict at the end."""

    def __init__(self, digest: Digest, size_bytes: int, hasher: ThreadPoolExecutor) -> None:
        self._digest = digest
        self._expected = size_bytes
        self._hash = hashlib.new(digest.algorithm, usedforsecurity=False)
        self._size = 0
        self._hasher = hasher
        self._pending: deque[Future[None]] = deque()

    def update(self, data: bytes) -> None:
        self._size += len(data)
        self._pending.append(self._hasher.submit(self._hash.update, data))
        while len(self._pending) > 4:  # noqa: PLR2004 - as many pieces as may wait in memory
            self._pending.popleft().result()

    def verdict(self) -> None:
        while self._pending:
            self._pending.popleft().result()
        got = Digest(self._digest.algorithm, self._hash.hexdigest())
        if got != self._digest:
            raise damaged(
                self._digest, f"{self._size} of {self._expected} bytes, with digest {got}"
            )


def _pieces(file: BinaryIO, digest: Digest) -> Iterator[bytes]:
    while True:
        with translated(str(digest)):
            piece = file.read(PIECE_BYTES)
        if not piece:
            return
        yield piece
