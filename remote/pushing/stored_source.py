"""The blobs of planned images in the local store, as a source of what is sent."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, TypeVar, final

from remote.opening import open_in_thread
from store.content.blocks import open_blocks
from store.content.presence import missing_files
from store.content.stored import require_readable
from store.content.whole_check import CheckedBlocks
from store.errors import ContentMissing, DamagedContent
from store.files.os_errors import translated
from store.model.limits import MIB
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping

    from exporter.selection.graph import SavedGraph
    from store import Store
    from store.content.blocks import Blocks
    from store.model.digests import Descriptor, Digest

    _T = TypeVar("_T")

CHUNK_BYTES: Final = MIB
"""How many bytes of a blob are read at once."""


@final
class StoredBlobs:
    """The blobs of a planned save. Threads read and hash them; each blob is read one chunk ahead.

    Use it as a context manager.

    Args:
        store: The store; its leases keep the content.
        graph: The images that are sent.
        jobs: How many blobs are read at once.
        origins: The repositories of registries that probably hold a blob: paths by registry, by
            the digest of the blob.
    """

    def __init__(
        self,
        store: Store,
        graph: SavedGraph,
        *,
        jobs: int,
        origins: Mapping[Digest, Mapping[str, Collection[str]]] | None = None,
    ) -> None:
        self._store = store
        self._graph = graph
        self._origins = origins or {}
        self._threads = ThreadPoolExecutor(jobs + 1, thread_name_prefix="read")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._threads.shutdown(cancel_futures=True)

    def origins(self, digest: Digest, registry: str) -> Collection[str]:
        """Return the repositories of a registry from which, or to which, the blob came before."""
        return self._origins.get(digest, {}).get(registry, ())

    async def require(self, blobs: Collection[Descriptor]) -> None:
        """Check that the files of blobs exist, have their size, and are not marked as damaged."""
        await self._run(lambda: self._require(blobs))

    def _require(self, blobs: Collection[Descriptor]) -> None:
        for blob in blobs:
            if blob.digest in self._graph.made:
                continue
            sources = self._graph.sources.get(blob.digest)
            if sources is None:
                raise ContentMissing(
                    f"the bytes of {blob.digest} are not in the store", digest=blob.digest
                )
            require_readable(sources)
            for digest in sorted(missing_files(self._store.blobs, sources)):
                raise ContentMissing(
                    f"the file of {digest} is missing from the store, or cut short",
                    digest=digest,
                    remedy=Remedy.REPAIR_CONTENT,
                )

    @asynccontextmanager
    async def open(self, blob: Descriptor) -> AsyncIterator[_Reading]:
        """Open the bytes of a blob. A blob with a wrong digest is reported to the store."""
        blocks = await open_in_thread(lambda: self._blocks(blob.digest), self._threads)
        reading = _Reading(blocks, self._threads)
        try:
            yield reading
        except (DamagedContent, ContentMissing) as error:
            await self._run(lambda error=error: self._store.report_damage(error))  # type: ignore[misc]
            raise
        finally:
            await reading.close()

    def _blocks(self, digest: Digest) -> Blocks:
        made = self._graph.made.get(digest)
        if made is not None:
            data, size_bytes = made
            return _File(data, size_bytes) if isinstance(data, Path) else _Bytes(data)
        sources = self._graph.sources[digest]
        blocks = open_blocks(self._store.blobs, sources, memory=self._store.decoding.transfers)
        return CheckedBlocks(blocks, sources)

    async def _run(self, act: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, act)


@final
class _Reading:
    """The bytes of an open blob, read by a thread."""

    def __init__(self, blocks: Blocks, threads: ThreadPoolExecutor) -> None:
        self._blocks = blocks
        self._threads = threads
        self._ahead: asyncio.Future[bytes] | None = None

    async def chunks(self, offset: int) -> AsyncIterator[bytes]:
        """Return the bytes from a position to the end."""
        await self._settle()
        position = offset
        while position < self._blocks.size_bytes:
            data = await (self._ahead or self._begin(position))
            self._ahead = None
            position += len(data)
            if position < self._blocks.size_bytes:
                self._ahead = self._begin(position)
            yield data

    def _begin(self, position: int) -> asyncio.Future[bytes]:
        return asyncio.get_running_loop().run_in_executor(self._threads, self._read, position)

    def _read(self, position: int) -> bytes:
        left = self._blocks.size_bytes - position
        buffer = bytearray(min(CHUNK_BYTES, left))
        while not (view := self._blocks.read_into(position, buffer)):
            pass
        return bytes(view)

    async def _settle(self) -> None:
        """Wait for the thread that reads ahead, whose bytes nobody will use."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            await asyncio.wait([ahead])
            ahead.exception()

    async def close(self) -> None:
        """Close the blob."""
        await self._settle()
        self._blocks.close()


@final
class _Bytes:
    """Bytes that were made for this push."""

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self.size_bytes = len(data)

    def read_into(self, position: int, buffer: bytearray) -> memoryview:
        """Return the bytes from a position, as many as fit into the buffer."""
        return self._data[position : position + len(buffer)]

    def close(self) -> None:
        """Do nothing: no file is open."""


@final
class _File:
    """A file that was made for this push."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = path
        self.size_bytes = size_bytes
        with translated(path):
            self._file = path.open("rb", buffering=0)

    def read_into(self, position: int, buffer: bytearray) -> memoryview:
        """Read bytes at a position."""
        with translated(self._path):
            self._file.seek(position)
            view = memoryview(buffer)
            return view[: self._file.readinto(view)]

    def close(self) -> None:
        """Close the file."""
        self._file.close()
