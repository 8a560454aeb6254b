"""The publication of images that were pulled through, when all of their content is here."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NoReturn, final

from remote.pulling.documents import PulledRoot
from remote.pulling.held import HeldContent
from remote.pulling.options import JOBS
from remote.pulling.publishing import publish_image
from remote.pulling.transfer import Traffic, Transfers
from remote.through.memory import SeenTag
from store.catalog import references, repositories
from store.errors import StoreBusy, StoreError, Unavailable, printable
from store.formats.image.manifests import Document
from store.model.limits import DEFAULT_LIMITS
from store.model.progress import Silent
from store.model.references import Reference

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
    from datetime import datetime

    from sqlalchemy import Connection

    from remote.pulling.documents import RemoteImage
    from remote.registry.repository import Repository as RemoteRepository
    from remote.through.memory import TagMemory
    from remote.through.pending_rows import PendingRows
    from remote.through.shared_pending import SharedPending
    from store.blobs.downloads import Downloads
    from store.model.digests import Digest
    from store.model.limits import Limits
    from store.model.references import Repository
    from store.workspace.workspace import Workspace

logger = logging.getLogger(__name__)

_WRITER: Final = "pull-through"
_POLL_S: Final = 0.05
"""How often a publication looks whether that of another process has ended."""


@final
class Publisher:
    """Publishes the pending images of a store. All methods belong to one event loop.

    Args:
        workspace: The opened store.
        downloads: The files of the blobs that were fetched.
        pending: The manifests that were served.
        rows: The manifests that were served by all processes.
        memory: Remembers tags.
        remote: Returns the repository at the upstream registry.
        prove: Checks that the upstream registry has a blob; raises a StoreError if not.
        now: Returns the current time.
        limits: Ceilings for documents and layers.
    """

    def __init__(  # noqa: PLR0913 - the parts of a publication
        self,
        workspace: Workspace,
        downloads: Downloads,
        pending: SharedPending,
        rows: PendingRows,
        memory: TagMemory,
        *,
        remote: Callable[[Repository], RemoteRepository],
        prove: Callable[[Repository, Digest], Awaitable[None]],
        now: Callable[[], datetime],
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._workspace = workspace
        self._downloads = downloads
        self._pending = pending
        self._rows = rows
        self._memory = memory
        self._remote = remote
        self._prove = prove
        self._now = now
        self._limits = limits
        self._held = HeldContent(workspace)
        self._tasks: set[asyncio.Task[None]] = set()
        self._one_at_a_time = asyncio.Lock()
        self._running: frozenset[Digest] = frozenset()

    async def finish(self) -> None:
        """Wait until all images that are whole are published."""
        while self._tasks:
            await asyncio.gather(*self._tasks)

    async def has_published(self, digest: Digest, holders: Iterable[Repository]) -> bool:
        """Return whether repositories hold a blob, after the publication of an image that needs it.

        Args:
            digest: The digest of the blob.
            holders: The repositories that have to hold it; at least one.
        """
        while digest in self._running:
            async with self._one_at_a_time:
                pass
        names = tuple(holders)

        def are_holders() -> bool:
            for unit in (self._workspace.read, lambda: self._workspace.write(_WRITER)):
                # Another process renames the file of a blob before the end of its transaction.
                with suppress(StoreBusy), unit() as connection:
                    if all(repositories.held(connection, name, (digest,)) for name in names):
                        return True
            # If a writer works for long, the worst that happens is a second request for the blob.
            return False

        return bool(names) and await asyncio.to_thread(are_holders)

    def settle(self, repository: Repository, blob: Digest | None = None) -> None:
        """Publish, in the background, the images of a repository that are whole.

        Args:
            repository: The repository.
            blob: The blob that has arrived; None to look at all pending images.
        """
        task = asyncio.create_task(self._publish_whole(repository, blob))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _publish_whole(self, repository: Repository, blob: Digest | None) -> None:
        async with self._one_at_a_time:
            for image in await self._pending.images(repository, blob):
                manifest = next(iter(image.documents))
                self._running = frozenset(image.blobs)
                try:
                    is_published = await self._is_proven(repository, image) and (
                        await asyncio.to_thread(self._publish_once, repository, image)
                    )
                except StoreError as exc:
                    # The manifest stays pending, and the next blob or request tries again.
                    logger.warning("cannot publish %s: %s", image.reference, printable(exc.message))
                    continue
                finally:
                    self._running = frozenset()
                if is_published:
                    self._pending.memory.remove(repository, manifest)

    async def _is_proven(self, repository: Repository, image: RemoteImage) -> bool:
        """Return whether an image is whole, and the upstream registry has all of its blobs.

        Another repository may have brought a blob. A manifest that lists it proves nothing.
        """
        if not await asyncio.to_thread(self._is_whole, image):
            return False
        for digest in image.blobs.keys() - await asyncio.to_thread(
            self._held_by, repository, image.blobs
        ):
            await self._prove(repository, digest)
        return True

    def _held_by(self, repository: Repository, digests: Iterable[Digest]) -> frozenset[Digest]:
        with self._workspace.read() as connection:
            return frozenset(repositories.held(connection, repository, list(digests)))

    def _publish_once(self, repository: Repository, image: RemoteImage) -> bool:
        """Publish an image if all of it is here, unless another process does.

        Returns:
            Whether the image is published.
        """
        manifest = next(iter(image.documents))
        if not self._is_whole(image):
            return False
        while (lock := self._workspace.locks.lock_task(_WRITER)) is None:
            time.sleep(_POLL_S)
        try:
            if not self._rows.holds(repository, manifest):
                # Another process has published it, or it was forgotten.
                return True
            return self._publish(repository, image)
        finally:
            lock.release()

    def _is_whole(self, image: RemoteImage) -> bool:
        here = self._held.present(image.blobs)
        return all(
            target.digest in here or self._downloads.size_bytes(target.digest) == target.size_bytes
            for target in image.blobs.values()
        )

    def _publish(self, repository: Repository, image: RemoteImage) -> bool:
        """Publish an image if all of it is here; return whether it is published."""
        if not self._is_whole(image):
            return False
        manifest = next(iter(image.documents))
        self._add_config(image)
        transfers = Transfers(
            self._remote(repository),
            _NoRequests(),
            self._held,
            self._downloads,
            threading.Semaphore(JOBS),
            threading.Event(),
            Traffic(),
        )
        try:
            self._import(repository, manifest, image, transfers)
        except _TagTaken:
            # A push or an import has set the tag meanwhile, and the tag stays.
            root = image.roots[0].descriptor
            image.roots[0] = PulledRoot(root, Reference(repository, digest=root.digest))
            self._import(repository, manifest, image, transfers)
        return True

    def _import(
        self, repository: Repository, manifest: Digest, image: RemoteImage, transfers: Transfers
    ) -> None:
        name = image.roots[0].name

        def claim(connection: Connection) -> None:
            if name is not None and name.tag is not None:
                etag = self._rows.etag(connection, name, image.digest)
                found = references.get(connection, name)
                current = None if found is None else found.digest
                seen = SeenTag(image.digest, etag or "", self._now())
                # A tag that has moved on at the registry does not move back.
                if etag is None or not self._memory.claim(connection, name, seen, current):
                    raise _TagTaken
            self._rows.remove(connection, repository, manifest)

        publish_image(
            self._workspace,
            image,
            transfers,
            limits=self._limits,
            jobs=JOBS,
            progress=Silent(),
            on_publish=claim,
            is_guarded=True,
        )

    def _add_config(self, image: RemoteImage) -> None:
        """Add the config, which says what the layers are, to the documents of an image."""
        manifest = Document.parse(next(iter(image.documents.values())), limits=self._limits)
        config = manifest.config
        if config is None or config.target.size_bytes > self._limits.inline_bytes:
            return
        data = self._held.document(config.digest)
        if data is None:
            file = self._downloads.read(config.digest)
            if file is None:
                return
            with file:
                data = file.read(config.target.size_bytes + 1)
        if config.digest.of(data, config.digest.algorithm) == config.digest:
            image.documents[config.digest] = data


class _TagTaken(Exception):
    """Raised in the transaction of an import, because its tag must not be set."""


@final
class _NoRequests:
    """Refuses requests: what is published is here already."""

    def blocking_chunks(self, chunks: AsyncIterator[bytes], *, buffer_bytes: int) -> NoReturn:
        """Raise Unavailable."""
        del chunks, buffer_bytes
        raise Unavailable("a blob has vanished before its image was published")
