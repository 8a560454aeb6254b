"""The content of upstream registries, fetched when a client asks for it, and published when whole.

All methods belong to one event loop; what blocks runs in threads.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn, final

from remote.errors import BlobNotFound, ManifestNotFound, Offline, RegistryError
from remote.pulling.documents import PulledRoot
from remote.pulling.held import HeldContent
from remote.pulling.options import JOBS
from remote.pulling.publishing import publish_image
from remote.pulling.transfer import Traffic, Transfers
from remote.registry.values import Tag
from remote.through.fetches import Fetches
from remote.through.memory import Absences, SeenTag
from remote.through.pending import Pending
from store.blobs.downloads import Downloads
from store.catalog import references
from store.errors import NotFound, StoreError, Unavailable, printable
from store.formats.image.manifests import Document
from store.model.digests import Descriptor
from store.model.limits import DEFAULT_LIMITS
from store.model.progress import Silent
from store.model.references import Reference

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime, timedelta

    from sqlalchemy import Connection

    from remote.pulling.documents import RemoteImage
    from remote.registry.client import RegistryClient
    from remote.registry.repository import Repository as RemoteRepository
    from remote.through.fetches import Fetch
    from remote.through.memory import TagMemory
    from remote.through.upstreams import Upstreams
    from store.model.digests import Digest
    from store.model.limits import Limits
    from store.model.references import Repository
    from store.workspace.workspace import Workspace

logger = logging.getLogger(__name__)

_ANY: Final = "application/octet-stream"


@final
@dataclass(frozen=True, slots=True)
class TagAnswer:
    """What a mirror answers to a request for a tag.

    Attributes:
        document: The manifest of the upstream registry; None to answer with that of the store.
        age: How long ago the upstream registry was last asked successfully; None for a tag that
            was not pulled.
        problem: Why the upstream registry could not be asked now; None if it could.
    """

    document: Document | None = None
    age: timedelta | None = None
    problem: RegistryError | None = None


@final
class PullThrough:
    """The upstream registries of a store.

    Args:
        workspace: The opened store.
        upstreams: The registries.
        client: Sends the requests.
        memory: Remembers tags.
        max_age: How long a tag is answered without a request.
        now: Returns the current time.
        limits: Ceilings for documents and layers.
    """

    def __init__(
        self,
        workspace: Workspace,
        upstreams: Upstreams,
        client: RegistryClient,
        memory: TagMemory,
        *,
        max_age: timedelta,
        now: Callable[[], datetime],
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._workspace = workspace
        self._upstreams = upstreams
        self._client = client
        self._memory = memory
        self._max_age = max_age
        self._now = now
        self._limits = limits
        self._held = HeldContent(workspace)
        self._downloads = Downloads(workspace.root)
        self._fetches = Fetches(self._downloads, self._fetched)
        self._pending = Pending()
        self._absent = Absences(now)
        self._etags: dict[Reference, tuple[Digest, str]] = {}
        self._askers: dict[Digest, set[Repository]] = {}
        self._publishing: set[asyncio.Task[None]] = set()
        self._one_at_a_time = asyncio.Lock()

    def has(self, repository: Repository) -> bool:
        """Return whether an upstream registry has the images of a repository."""
        return self._upstreams.find(repository) is not None

    async def tag(self, name: Reference, current: Digest | None) -> TagAnswer:
        """Ask for a tag, unless that was done a moment ago.

        Args:
            name: The repository and the tag.
            current: The digest that the tag has in the store; None if it does not exist there.

        Raises:
            ManifestNotFound: Neither the store nor the upstream registry has the tag.
            RegistryError: The store does not have the tag, and the registry cannot be asked.
        """
        seen = await asyncio.to_thread(self._memory.get, name)
        if current is not None and (seen is None or seen.digest != current):
            # A push, an import or `tag` has set it, so it is not that of the upstream registry.
            return TagAnswer()
        age = None if seen is None else self._now() - seen.checked_at
        if current is not None and age is not None and age < self._max_age:
            return TagAnswer(age=age)
        try:
            document = await self._ask(name, seen if current is not None else None)
        except RegistryError as exc:
            if current is None:
                raise
            if not isinstance(exc, Offline):
                logger.warning("serving %s from the store: %s", name, printable(exc.message))
            return TagAnswer(age=age, problem=exc)
        return TagAnswer(document)

    async def _ask(self, name: Reference, seen: SeenTag | None) -> Document | None:
        """Return the manifest of a tag; None if it is still that which was seen."""
        assert name.tag is not None  # noqa: S101 - the caller asks for a tag
        remote = self._remote(name.repository)
        self._require_not_absent(str(name), remote)
        tag, etag = Tag(name.tag), ""
        try:
            if seen is None:
                found = await remote.manifest(tag)
                document, etag = found.document, found.etag
            else:
                resolved = await remote.resolve_if_changed(tag, seen.etag)
                if resolved is None or resolved.descriptor.digest == seen.digest:
                    etag = seen.etag if resolved is None else resolved.etag
                    fresh = SeenTag(seen.digest, etag, self._now())
                    await asyncio.to_thread(self._memory.put, name, fresh)
                    return None
                etag = resolved.etag
                document = (await remote.manifest(resolved.descriptor.digest)).document
        except ManifestNotFound:
            self._absent.add(str(name))
            raise
        self._etags[name] = (document.digest, etag)
        self._keep(name.repository, document, name.tag)
        return document

    async def document(self, repository: Repository, digest: Digest) -> Document:
        """Return a manifest or index that the store does not serve.

        Args:
            repository: The repository that was asked for it.
            digest: The digest of the manifest.

        Raises:
            ManifestNotFound: The upstream registry does not have it.
            RegistryError: The upstream registry cannot be asked.
        """
        kept = self._pending.find(repository, digest)
        if kept is not None:
            return kept
        remote = self._remote(repository)
        name = f"{repository}@{digest}"
        self._require_not_absent(name, remote)
        try:
            document = (await remote.manifest(digest)).document
        except ManifestNotFound:
            self._absent.add(name)
            raise
        self._keep(repository, document, None)
        return document

    async def blob(self, repository: Repository, digest: Digest) -> Fetch:
        """Return the fetch of a blob that the store does not serve; begin it if necessary.

        Args:
            repository: The repository that was asked for it.
            digest: The digest of the blob.

        Raises:
            BlobNotFound: The upstream registry does not have it.
            RegistryError: The upstream registry cannot be asked.
        """
        remote = self._remote(repository)
        target = self._pending.blob(repository, digest)
        if target is None:
            size = await remote.blob_size(digest)
            if size is None:
                raise BlobNotFound(
                    f"{remote.registry} does not have blob {digest} in {remote.name}",
                    registry=remote.registry,
                    repository=remote.name,
                )
            target = Descriptor(_ANY, digest, size)
        self._askers.setdefault(digest, set()).add(repository)
        return self._fetches.start(target, remote)

    async def read(self, fetch: Fetch, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield a part of a blob as soon as it is here.

        Args:
            fetch: The fetch of the blob.
            start: The offset of the first byte.
            stop: The offset after the last byte.

        Raises:
            StoreError: The blob cannot be fetched.
        """
        async for piece in self._fetches.read(fetch, start, stop):
            yield piece

    async def published(self) -> None:
        """Wait until all images that are whole are published."""
        while self._publishing:
            await asyncio.gather(*self._publishing)

    async def close(self) -> None:
        """End all fetches, and wait for running publications."""
        await self._fetches.close()
        await self.published()

    # --- publication ------------------------------------------------------------------------------

    def _keep(self, repository: Repository, document: Document, tag: str | None) -> None:
        self._pending.add(repository, document, tag)
        # Perhaps all of it is here: another repository, or an earlier tag, has brought its blobs.
        self._settle(repository, None)

    def _fetched(self, digest: Digest) -> None:
        for repository in self._askers.pop(digest, ()):
            self._settle(repository, digest)

    def _settle(self, repository: Repository, blob: Digest | None) -> None:
        images = self._pending.images(repository, blob)
        if images:
            task = asyncio.create_task(self._publish_whole(repository, images))
            self._publishing.add(task)
            task.add_done_callback(self._publishing.discard)

    async def _publish_whole(self, repository: Repository, images: list[RemoteImage]) -> None:
        async with self._one_at_a_time:
            for image in images:
                manifest = next(iter(image.documents))
                if self._pending.find(repository, manifest) is None:
                    continue
                try:
                    is_published = await asyncio.to_thread(self._publish, repository, image)
                except StoreError as exc:
                    # The manifest stays pending, and the next blob or request tries again.
                    logger.warning("cannot publish %s: %s", image.reference, printable(exc.message))
                    continue
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

    # --- requests ---------------------------------------------------------------------------------

    def _remote(self, repository: Repository) -> RemoteRepository:
        upstream = self._upstreams.find(repository)
        if upstream is None:
            raise NotFound(f"no upstream registry has {repository}")
        return self._client.repository(upstream.registry, upstream.path(repository))

    def _require_not_absent(self, name: str, remote: RemoteRepository) -> None:
        if self._absent.holds(name):
            raise ManifestNotFound(
                f"{remote.registry} does not have {name}",
                registry=remote.registry,
                repository=remote.name,
            )


class _TagTaken(Exception):
    """Raised in the transaction of an import, because its tag must not be set."""


@final
class _NoRequests:
    """Refuses requests: what is published is here already."""

    def blocking_chunks(self, chunks: AsyncIterator[bytes], *, buffer_bytes: int) -> NoReturn:
        """Raise Unavailable."""
        del chunks, buffer_bytes
        raise Unavailable("a blob has vanished before its image was published")
