"""The publication of images that were pulled through, when all of their content is here."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, NoReturn, final

from remote.pulling.documents import PulledRoot
from remote.pulling.held import HeldContent
from remote.pulling.options import JOBS
from remote.pulling.publishing import publish_image
from remote.pulling.transfer import Traffic, Transfers
from remote.through.memory import SeenTag
from remote.through.pending import MAX_DOCUMENTS
from store.catalog import references, repositories
from store.errors import StoreError, Unavailable, printable
from store.formats.image.manifests import Document
from store.model.limits import DEFAULT_LIMITS
from store.model.progress import Silent
from store.model.references import Reference

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable
    from datetime import datetime

    from sqlalchemy import Connection

    from remote.pulling.documents import RemoteImage
    from remote.registry.repository import Repository as RemoteRepository
    from remote.through.memory import TagMemory
    from remote.through.pending import Pending
    from store.blobs.downloads import Downloads
    from store.model.digests import Digest
    from store.model.limits import Limits
    from store.model.references import Repository
    from store.workspace.workspace import Workspace

logger = logging.getLogger(__name__)


@final
class Publisher:
    """Publishes the pending images of a store. All methods belong to one event loop.

    Args:
        workspace: The opened store.
        downloads: The files of the blobs that were fetched.
        pending: The manifests that were served.
        memory: Remembers tags.
        remote: Returns the repository at the upstream registry.
        now: Returns the current time.
        limits: Ceilings for documents and layers.
    """

    def __init__(
        self,
        workspace: Workspace,
        downloads: Downloads,
        pending: Pending,
        memory: TagMemory,
        *,
        remote: Callable[[Repository], RemoteRepository],
        now: Callable[[], datetime],
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._workspace = workspace
        self._downloads = downloads
        self._pending = pending
        self._memory = memory
        self._remote = remote
        self._now = now
        self._limits = limits
        self._held = HeldContent(workspace)
        self._tasks: set[asyncio.Task[None]] = set()
        self._one_at_a_time = asyncio.Lock()
        self._running: frozenset[Digest] = frozenset()
        self._etags: OrderedDict[Reference, tuple[Digest, str]] = OrderedDict()

    def note_tag(self, name: Reference, digest: Digest, etag: str) -> None:
        """Remember what a tag has become upstream, until its image is published.

        Args:
            name: The repository and the tag.
            digest: The digest that the tag has upstream.
            etag: The entity tag of the answer; empty if there was none.
        """
        self._etags[name] = (digest, etag)
        self._etags.move_to_end(name)
        while len(self._etags) > MAX_DOCUMENTS:
            self._etags.popitem(last=False)

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
            with self._workspace.read() as connection:
                return all(repositories.held(connection, name, (digest,)) for name in names)

        return bool(names) and await asyncio.to_thread(are_holders)

    def settle(self, repository: Repository, blob: Digest | None = None) -> None:
        """Publish, in the background, the images of a repository that are whole.

        Args:
            repository: The repository.
            blob: The blob that has arrived; None to look at all pending images.
        """
        images = self._pending.images(repository, blob)
        if images:
            task = asyncio.create_task(self._publish_whole(repository, images))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _publish_whole(self, repository: Repository, images: list[RemoteImage]) -> None:
        async with self._one_at_a_time:
            for image in images:
                manifest = next(iter(image.documents))
                if self._pending.find(repository, manifest) is None:
                    continue
                self._running = frozenset(image.blobs)
                try:
                    is_published = await asyncio.to_thread(self._publish, repository, image)
                except StoreError as exc:
                    # The manifest stays pending, and the next blob or request tries again.
                    logger.warning("cannot publish %s: %s", image.reference, printable(exc.message))
                    continue
                finally:
                    self._running = frozenset()
                if is_published:
                    self._pending.remove(repository, manifest)

    def _publish(self, repository: Repository, image: RemoteImage) -> bool:
        """Publish an image if all of it is here; return whether it is published."""
        here = self._held.present(image.blobs)
        for target in image.blobs.values():
            if (
                target.digest not in here
                and self._downloads.size_bytes(target.digest) != target.size_bytes
            ):
                return False
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
            self._import(image, transfers)
        except _TagTaken:
            # A push or an import has set the tag meanwhile, and the tag stays.
            root = image.roots[0].descriptor
            image.roots[0] = PulledRoot(root, Reference(repository, digest=root.digest))
            self._import(image, transfers)
        return True

    def _import(self, image: RemoteImage, transfers: Transfers) -> None:
        name = image.roots[0].name

        def claim(connection: Connection) -> None:
            if name is None or name.tag is None:
                return
            digest, etag = self._etags.get(name, (image.digest, ""))
            found = references.get(connection, name)
            current = None if found is None else found.digest
            seen = SeenTag(image.digest, etag, self._now())
            # A tag that has moved on at the registry does not move back.
            if digest != image.digest or not self._memory.claim(connection, name, seen, current):
                raise _TagTaken

        publish_image(
            self._workspace,
            image,
            transfers,
            limits=self._limits,
            jobs=JOBS,
            progress=Silent(),
            on_publish=claim,
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
