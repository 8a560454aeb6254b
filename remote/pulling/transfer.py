"""The bytes of one blob: from the store, from an interrupted download, or from the registry.

While a process downloads a blob, its file in ``downloads/`` is locked. Another download of the same
blob, in this process or in another one, reads this file while it grows, and fetches nothing. If the
other download ends early, this one takes the file over and continues at its end.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import CancelledError
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, final

from remote.errors import FalseAnswer
from store.errors import ContentMissing, DamagedContent, StoreError
from store.files.os_errors import translated
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator
    from typing import BinaryIO

    from remote.pulling.held import HeldContent
    from remote.registry.repository import Repository
    from store.blobs.downloads import Download, Downloads
    from store.importing.staging import Staged
    from store.model.digests import Descriptor

PIECE_BYTES: Final = MIB // 4
"""At least so many bytes are hashed, decoded and written at a time."""

BUFFER_BYTES: Final = 2 * MIB
"""How many bytes of a blob wait to be hashed and decoded."""

_POLL_S: Final = 0.05
"""How often the file of another download is looked at."""


@final
class Traffic:
    """The bytes that one pull has fetched. Several threads count."""

    def __init__(self) -> None:
        self.fetched_bytes = 0
        self.resumed_bytes = 0
        self.fetched_blobs = 0
        self._lock = threading.Lock()

    def add(self, *, fetched: int = 0, resumed: int = 0, blobs: int = 0) -> None:
        """Count bytes from the registry, bytes of interrupted downloads, and fetched blobs."""
        with self._lock:
            self.fetched_bytes += fetched
            self.resumed_bytes += resumed
            self.fetched_blobs += blobs


class BlobRequests(Protocol):
    """Runs requests in another thread; `remote.registry.event_loop.EventLoopThread` does."""

    def blocking_chunks(
        self, chunks: AsyncIterator[bytes], *, buffer_bytes: int
    ) -> Iterator[bytes]:
        """Yield the chunks of an asynchronous iterator."""


@final
@dataclass(frozen=True, slots=True)
class Transfers:
    """What all downloads of one pull share.

    Attributes:
        repository: The repository that has the blobs.
        loop: Runs the requests for blobs.
        held: The content of the store.
        downloads: The files of interrupted downloads.
        slots: Bounds how many blobs are fetched at once, over all images of a pull.
        stopped: Set when the pull ends early.
        traffic: Counts bytes.
    """

    repository: Repository
    loop: BlobRequests
    held: HeldContent
    downloads: Downloads
    slots: threading.Semaphore
    stopped: threading.Event
    traffic: Traffic


class _Again(Exception):
    """Raised to read a blob from its first byte: from another place, or after false bytes."""


@final
class Transfer:
    """The transfer of one blob.

    Args:
        target: The descriptor of the blob.
        transfers: What all downloads share.
        rewind: Called with a number of bytes that will be read again.
    """

    def __init__(
        self, target: Descriptor, transfers: Transfers, rewind: Callable[[int], None]
    ) -> None:
        self._target = target
        self._shared = transfers
        self._rewind = rewind
        self._done = 0
        self._download: Download | None = None
        self._uses_store = True

    def stage(self, work: Callable[[Iterator[bytes], Download | None], Staged]) -> Staged:
        """Stage the blob.

        Args:
            work: Stages the pieces that it receives, into the file that it receives.

        Returns:
            The staged blob, which has the digest and the size of the descriptor.

        Raises:
            FalseAnswer: The registry sent other bytes.
            StoreError: The blob cannot be fetched, staged or decoded.
        """
        while True:
            self._done = 0
            try:
                return self._attempt(work)
            except _Again:
                self._rewind(self._done)
            except (DamagedContent, ContentMissing):
                if not self._uses_store:
                    raise
                self._uses_store = False
                self._rewind(self._done)

    def close(self, *, is_stored: bool) -> None:
        """Release the file.

        Args:
            is_stored: Whether the store has the blob now; else the file stays for the next pull.
        """
        if self._download is not None:
            if is_stored:
                self._download.remove()
            else:
                self._download.close()
            self._download = None

    def _attempt(self, work: Callable[[Iterator[bytes], Download | None], Staged]) -> Staged:
        shared, digest = self._shared, self._target.digest
        if self._download is None:
            self._download = shared.downloads.open(digest)
        download = self._download
        stored = None
        if self._uses_store and (download is None or download.size_bytes == 0):
            # The store may lack only the knowledge of what the blob decodes to; or another process
            # has published the blob since this pull began.
            stored = shared.held.pieces(digest)
        if stored is not None:
            with closing(self._counted(stored)) as pieces:
                return self._checked(work(pieces, None), is_fresh=False)
        if download is None:
            with closing(self._counted(self._followed())) as pieces:
                return self._checked(work(pieces, None), is_fresh=False)
        if download.size_bytes > self._target.size_bytes:
            download.cut(0)
        resumed = download.size_bytes
        shared.traffic.add(resumed=resumed)
        with closing(self._counted(self._continued(download))) as pieces:
            staged = work(pieces, download)
        return self._checked(staged, is_fresh=resumed == 0)

    def _checked(self, staged: Staged, *, is_fresh: bool) -> Staged:
        got, target = staged.received, self._target
        if got.digest == target.digest and got.size_bytes == target.size_bytes:
            return staged
        if self._download is not None:
            self._download.cut(0)
        if not is_fresh:
            self._uses_store = False
            raise _Again
        raise self._false(f"has the digest {got.digest}")

    # --- where the bytes come from ----------------------------------------------------------------

    def _counted(self, pieces: Iterator[bytes]) -> Generator[bytes, None, None]:
        for piece in pieces:
            self._done += len(piece)
            yield piece

    def _continued(self, download: Download) -> Iterator[bytes]:
        """Yield the bytes of an interrupted download, and then those of the registry."""
        offset = 0
        with translated(download.path):
            while offset < download.size_bytes:
                piece = os.pread(
                    download.file.fileno(), min(PIECE_BYTES, download.size_bytes - offset), offset
                )
                if not piece:
                    raise _Again
                offset += len(piece)
                yield piece
        if offset < self._target.size_bytes:
            yield from self._fetched(offset)

    def _followed(self) -> Iterator[bytes]:
        """Yield the bytes that another download of this blob writes.

        Raises:
            _Again: The other download has ended, and this one continues.
        """
        shared, target = self._shared, self._target
        file: BinaryIO | None = shared.downloads.read(target.digest)
        if file is None:
            raise _Again
        with file:
            offset = 0
            while offset < target.size_bytes:
                piece = os.pread(
                    file.fileno(), min(PIECE_BYTES, target.size_bytes - offset), offset
                )
                if piece:
                    offset += len(piece)
                    yield piece
                    continue
                self._download = shared.downloads.open(target.digest)
                if self._download is not None:
                    raise _Again
                if shared.stopped.wait(_POLL_S):
                    raise CancelledError

    def _fetched(self, offset: int) -> Iterator[bytes]:
        """Yield the bytes of the registry from an offset; the client retries what may pass."""
        shared = self._shared
        with shared.slots:
            shared.traffic.add(blobs=1)
            chunks = shared.loop.blocking_chunks(self._body(offset), buffer_bytes=BUFFER_BYTES)
            with closing(_joined(chunks)) as pieces:
                yield from pieces

    async def _body(self, offset: int) -> AsyncIterator[bytes]:
        shared = self._shared
        async with shared.repository.open_blob(self._target, offset=offset) as body:
            # A registry may send more than was asked for.
            skipped = offset - body.start
            async for chunk in body:
                shared.traffic.add(fetched=len(chunk))
                rest = chunk[skipped:] if skipped else chunk
                skipped -= len(chunk) - len(rest)
                if rest:
                    yield rest

    def _false(self, fact: str) -> FalseAnswer:
        repository = self._shared.repository
        return FalseAnswer(
            f"false content from {repository.registry}/{repository.name}: blob"
            f" {self._target.digest} {fact}",
            registry=repository.registry,
            repository=repository.name,
        )


def _joined(chunks: Iterator[bytes]) -> Generator[bytes, None, None]:
    """Yield the chunks of a connection in larger pieces; chunks before an error come first.

    Chunks that are large enough are not copied.
    """
    waiting: list[bytes] = []
    size = 0
    try:
        for chunk in chunks:
            if not waiting and len(chunk) >= PIECE_BYTES:
                yield chunk
                continue
            waiting.append(chunk)
            size += len(chunk)
            if size >= PIECE_BYTES:
                yield b"".join(waiting)
                waiting.clear()
                size = 0
    except StoreError:
        if waiting:
            yield b"".join(waiting)
        raise
    if waiting:
        yield b"".join(waiting)
