"""Fetches of blobs that many readers follow while the bytes arrive.

A fetch is detached from the reader that asked first: it goes on at the speed of the registry, and
writes to the file of the blob in ``downloads/``. Readers read this file. The last byte is held back
until the digest is right, so that no reader takes false bytes for a whole blob.

One process at a time fetches a blob: it has the lock of the file. A fetch in another process hashes
the file while it grows, and takes over if the first process gives up.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from typing import TYPE_CHECKING, Final, final

from remote.errors import BlobNotFound, FalseAnswer, RegistryUnavailable
from remote.opening import open_in_thread
from remote.through.counts import Counts
from store.errors import StoreError, Unavailable, printable
from store.files.os_errors import translated
from store.files.page_cache import read_if_cached
from store.model.digests import Digest
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from typing import BinaryIO

    from remote.registry.repository import Repository
    from store.blobs.downloads import Download, Downloads
    from store.model.digests import Descriptor

logger = logging.getLogger(__name__)

PIECE_BYTES: Final = MIB // 2
"""How many bytes are hashed and written at a time."""

FIRST_BYTES: Final = 16 * 1024
"""How many bytes arrive before the first ones are written, so that readers get them soon."""

READ_BYTES: Final = MIB
"""How many bytes a reader gets at a time."""

MAX_FETCHES: Final = 64
"""How many blobs one process fetches at once; more wait for their turn."""

_POLL_S: Final = 0.05
"""How often the file of another process is looked at."""


class NowStored(Unavailable):
    """A blob that was published before its fetch began, so that the store has it."""


async def _is_not_stored(_digest: Digest) -> bool:
    return False


@final
class Fetch:
    """The fetch of one blob, and the part of it that is here.

    Attributes:
        target: The digest and the size of the blob.
        available: How many bytes readers may have.
        error: Why the fetch has failed; None while it runs, and after it has succeeded.
        is_complete: Whether all bytes are here and have the digest.
        ended: Set when the fetch has ended.
    """

    def __init__(
        self,
        target: Descriptor,
        repository: Repository,
        downloads: Downloads,
        counts: Counts | None = None,
        is_stored: Callable[[Digest], Awaitable[bool]] = _is_not_stored,
        *,
        is_proven: bool = False,
    ) -> None:
        self.target = target
        self.available = 0
        self.error: StoreError | None = None
        self.is_complete = False
        self._repository = repository
        self._downloads = downloads
        self._counts = counts or Counts()
        self._is_stored = is_stored
        self._is_proven = is_proven
        self.ended = asyncio.Event()
        self._changed = asyncio.Condition()
        self._file: BinaryIO | None = None
        self._hash = hashlib.new(target.digest.algorithm, usedforsecurity=False)
        self._hashed = 0

    @property
    def registry(self) -> str:
        """The registry that the blob is fetched from."""
        return self._repository.registry

    async def run(self, slots: asyncio.Semaphore) -> None:
        """Fetch the blob; readers see the outcome.

        Args:
            slots: Bounds how many blobs are fetched at once.
        """
        try:
            await self._run(slots)
        except StoreError as exc:
            logger.info("cannot fetch blob %s: %s", self.target.digest, printable(exc.message))
            self.error = exc
        finally:
            if not self.is_complete and self.error is None:
                self.error = RegistryUnavailable(
                    f"the fetch of blob {self.target.digest} was ended",
                    registry=self._repository.registry,
                    repository=self._repository.name,
                )
            self.ended.set()
            async with self._changed:
                self._changed.notify_all()

    async def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield a part of the blob, as soon as it is here.

        Args:
            start: The offset of the first byte.
            stop: The offset after the last byte.

        Raises:
            StoreError: The blob cannot be fetched, or the registry sends false bytes.
        """
        position = start
        while position < stop:
            async with self._changed:
                while self.available <= position and self.error is None:
                    await self._changed.wait()
            if self.available <= position and self.error is not None:
                raise self.error
            assert self._file is not None  # noqa: S101 - bytes are available
            size = min(READ_BYTES, self.available - position, stop - position)
            # Most readers are close behind the writer, so that the bytes are in the page cache.
            piece = read_if_cached(self._file, size, position)
            if piece is None:
                piece = await asyncio.to_thread(os.pread, self._file.fileno(), size, position)
            if not piece:
                raise RegistryUnavailable(
                    f"the file of blob {self.target.digest} has become shorter",
                    registry=self._repository.registry,
                    repository=self._repository.name,
                )
            position += len(piece)
            yield piece

    def close(self) -> None:
        """Close the file; call it after all readers have ended."""
        if self._file is not None:
            self._file.close()
            self._file = None

    async def _run(self, slots: asyncio.Semaphore) -> None:
        while not self.is_complete:
            # A whole file needs no lock: the publication of its image would have to wait for it.
            if await self._has_whole_file():
                await self._prove()
                if await self._read_along():
                    return
            download = await open_in_thread(lambda: self._downloads.open(self.target.digest))
            if download is None:
                # Another process fetches the blob.
                await self._prove()
                if not await self._read_along():
                    await asyncio.sleep(_POLL_S)
                continue
            try:
                await self._own(download, slots)
            finally:
                download.close()

    async def _own(self, download: Download, slots: asyncio.Semaphore) -> None:
        """Continue the file, which has the bytes of an earlier fetch, to the end of the blob."""
        if download.size_bytes > self.target.size_bytes:
            download.remove()
            return
        file = await open_in_thread(lambda: self._downloads.read(self.target.digest))
        if file is None:
            return
        self._replace(file)
        if download.size_bytes:
            await self._prove()
        await self._hash_file(download.size_bytes)
        await self._advance(self._hashed)
        is_fresh = download.size_bytes == 0
        if is_fresh and await self._is_stored(self.target.digest):
            raise NowStored(f"blob {self.target.digest} is stored")
        if download.size_bytes < self.target.size_bytes:
            try:
                async with slots:
                    await self._fetch(download)
                self._is_proven = True
            except FalseAnswer:
                # What the registry sent is not the blob, so the next fetch must not continue it.
                download.remove()
                raise
        if self._verified():
            await self._advance(self.target.size_bytes)
            return
        # The file is not cut short: readers and other processes may be reading it.
        download.remove()
        if self.available or is_fresh:
            # Readers may have false bytes already, so the fetch cannot begin again.
            raise self._false()
        self._forget()

    async def _prove(self) -> None:
        """Check that the registry has the blob, before bytes are used that others have fetched.

        Raises:
            BlobNotFound: The registry does not have it.
        """
        if self._is_proven:
            return
        repository, digest = self._repository, self.target.digest
        if await repository.blob_size(digest) is None:
            raise BlobNotFound(
                f"{repository.registry} does not have blob {digest} in {repository.name}",
                registry=repository.registry,
                repository=repository.name,
            )
        self._is_proven = True

    async def _fetch(self, download: Download) -> None:
        offset = download.size_bytes
        async with self._repository.open_blob(self.target, offset=offset) as body:
            skipped = offset - body.start
            waiting = bytearray()
            # While one piece is hashed and written, the next one arrives.
            writing: asyncio.Task[None] | None = None
            try:
                async for chunk in body:
                    rest = chunk[skipped:] if skipped else chunk
                    skipped -= len(chunk) - len(rest)
                    waiting += rest
                    if len(waiting) >= (PIECE_BYTES if writing else FIRST_BYTES):
                        if writing is not None:
                            await writing
                        writing = asyncio.create_task(self._append(download, waiting))
                        waiting = bytearray()
                if writing is not None:
                    await writing
                await self._append(download, waiting)
            finally:
                if writing is not None:
                    # Its thread uses the file, which the caller closes.
                    await asyncio.wait({writing})

    async def _append(self, download: Download, data: bytearray) -> None:
        def write() -> None:
            with translated(download.path):
                view = memoryview(data)
                while view:
                    view = view[download.file.write(view) :]
            self._hash.update(data)

        await asyncio.to_thread(write)
        self._hashed += len(data)
        self._counts.received_bytes[self.registry] += len(data)
        await self._advance(self._hashed)

    async def _has_whole_file(self) -> bool:
        """Return whether all bytes are here, though they may be wrong."""
        if self._is_file_whole:
            return self._hashed < self.target.size_bytes
        size = await asyncio.to_thread(self._downloads.size_bytes, self.target.digest)
        return size == self.target.size_bytes > 0

    @property
    def _is_file_whole(self) -> bool:
        file = self._file
        return file is not None and os.fstat(file.fileno()).st_size == self.target.size_bytes

    async def _read_along(self) -> bool:
        """Hash what another process has written; return whether the blob is complete and right."""
        # A whole file that was published meanwhile has no name any more, or that of another blob's
        # fetch, and stays open here.
        if not self._is_file_whole:
            newer = await open_in_thread(lambda: self._downloads.read(self.target.digest))
            if newer is None:
                return False
            self._replace(newer)
        assert self._file is not None  # noqa: S101 - it was opened
        size = min(os.fstat(self._file.fileno()).st_size, self.target.size_bytes)
        await self._hash_file(size)
        await self._advance(self._hashed)
        if self._hashed == self.target.size_bytes and self._verified():
            await self._advance(self.target.size_bytes)
        return self.is_complete

    async def _hash_file(self, size_bytes: int) -> None:
        """Hash the bytes of the file that were not hashed before."""
        file = self._file
        assert file is not None  # noqa: S101 - the caller has opened it

        def work() -> None:
            while self._hashed < size_bytes:
                size = min(PIECE_BYTES, size_bytes - self._hashed)
                piece = os.pread(file.fileno(), size, self._hashed)
                if not piece:
                    return
                self._hash.update(piece)
                self._hashed += len(piece)

        await asyncio.to_thread(work)

    async def _advance(self, size_bytes: int) -> None:
        """Let readers have the first bytes; never the last one before the digest is right."""
        if not self.is_complete:
            size_bytes = min(size_bytes, max(self.target.size_bytes - 1, 0))
        if size_bytes > self.available or self.is_complete:
            self.available = max(self.available, size_bytes)
            async with self._changed:
                self._changed.notify_all()

    def _verified(self) -> bool:
        self.is_complete = (
            self._hashed == self.target.size_bytes
            and self._hash.hexdigest() == self.target.digest.hex
        )
        return self.is_complete

    def _replace(self, file: BinaryIO) -> None:
        old, self._file = self._file, file
        if old is not None and not os.path.sameopenfile(old.fileno(), file.fileno()):
            # Another file has other bytes before the offset that was hashed.
            self._forget()
        if old is not None:
            old.close()

    def _forget(self) -> None:
        self._hash = hashlib.new(self.target.digest.algorithm, usedforsecurity=False)
        self._hashed = 0

    def _false(self) -> FalseAnswer:
        repository = self._repository
        got = Digest(self.target.digest.algorithm, self._hash.hexdigest())
        return FalseAnswer(
            f"false content from {repository.registry}/{repository.name}: blob"
            f" {self.target.digest} has the digest {got}",
            registry=repository.registry,
            repository=repository.name,
        )


@final
class Fetches:
    """The fetches of one process. All methods belong to one event loop.

    Args:
        downloads: The files of the blobs.
        on_end: Called with each fetch that has ended, whether it is complete or has an error.
        max_fetches: How many blobs are fetched at once.
        counts: Counts the bytes; None to count nothing.
        is_stored: Returns whether the store has a blob by now. A fetch without any bytes asks.
    """

    def __init__(
        self,
        downloads: Downloads,
        on_end: Callable[[Fetch], None] = lambda _: None,
        max_fetches: int = MAX_FETCHES,
        counts: Counts | None = None,
        is_stored: Callable[[Digest], Awaitable[bool]] = _is_not_stored,
    ) -> None:
        self._downloads = downloads
        self._counts = counts
        self._is_stored = is_stored
        self._on_end = on_end
        self._slots = asyncio.Semaphore(max_fetches)
        self._running: dict[Digest, tuple[Fetch, asyncio.Task[None]]] = {}
        self._readers: dict[Fetch, int] = {}

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        """The fetches that run."""
        return [task for _, task in self._running.values()]

    def running(self, digest: Digest) -> Fetch | None:
        """Return the running fetch of a blob; None if it is not being fetched."""
        found = self._running.get(digest)
        # A new request begins a new fetch, and does not get the error of the one that failed.
        return None if found is None or found[0].error is not None else found[0]

    def start(self, target: Descriptor, repository: Repository, *, is_proven: bool) -> Fetch:
        """Return the fetch of a blob; begin it if the blob is not being fetched.

        Args:
            target: The digest and the size of the blob.
            repository: The repository to fetch it from.
            is_proven: Whether the repository is known to have it, so that it need not be asked.
        """
        found = self.running(target.digest)
        if found is not None:
            return found
        fetch = Fetch(
            target,
            repository,
            self._downloads,
            self._counts,
            self._is_stored,
            is_proven=is_proven,
        )
        task = asyncio.create_task(fetch.run(self._slots))
        task.add_done_callback(lambda _: self._ended(fetch))
        self._running[target.digest] = (fetch, task)
        return fetch

    async def read(self, fetch: Fetch, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield a part of a blob as `Fetch.read` does, and keep its file open until the end."""
        self._readers[fetch] = self._readers.get(fetch, 0) + 1
        try:
            async for piece in fetch.read(start, stop):
                yield piece
        finally:
            self._readers[fetch] -= 1
            if not self._readers[fetch]:
                del self._readers[fetch]
                self._release(fetch)

    async def close(self) -> None:
        """End all fetches; what they have fetched stays for the next run."""
        tasks = self.tasks
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, fetch: Fetch) -> None:
        running = self._running.get(fetch.target.digest)
        if running is not None and running[0] is fetch:
            del self._running[fetch.target.digest]
        self._release(fetch)
        self._on_end(fetch)

    def _release(self, fetch: Fetch) -> None:
        running = self._running.get(fetch.target.digest)
        if fetch not in self._readers and (running is None or running[0] is not fetch):
            fetch.close()
