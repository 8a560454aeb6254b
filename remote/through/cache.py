"""The content of upstream registries, fetched when a client asks for it, and published when whole.

All methods belong to one event loop; what blocks runs in threads.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from remote.errors import BlobNotFound, ManifestNotFound, Offline, RegistryError, Unreachable
from remote.registry.values import Tag
from remote.through.failures import Failures
from remote.through.fetches import Fetches
from remote.through.memory import Absences, SeenTag
from remote.through.pending import Pending
from remote.through.publishing import Publisher
from remote.through.shared_work import SharedWork
from store.blobs.downloads import Downloads
from store.errors import NotFound, printable
from store.model.digests import Descriptor
from store.model.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime, timedelta

    from remote.registry.client import RegistryClient
    from remote.registry.repository import Repository as RemoteRepository
    from remote.through.fetches import Fetch
    from remote.through.memory import TagMemory
    from remote.through.upstreams import Upstreams
    from store.formats.image.manifests import Document
    from store.model.digests import Digest
    from store.model.limits import Limits
    from store.model.references import Reference, Repository
    from store.workspace.workspace import Workspace

logger = logging.getLogger(__name__)

STORED_WAIT_S: Final = 3.0
"""How long a client waits for an upstream registry if the store has an answer, in seconds."""

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
        self._upstreams = upstreams
        self._client = client
        self._memory = memory
        self._max_age = max_age
        self._now = now
        self._downloads = Downloads(workspace.root)
        self._fetches = Fetches(self._downloads, self._fetch_ended)
        self._pending = Pending()
        self._absent = Absences(now)
        self._failures = Failures(now)
        self._asking: SharedWork[Document | None] = SharedWork()
        self._reading: SharedWork[Document] = SharedWork()
        self._askers: dict[Digest, set[Repository]] = {}
        self._publisher = Publisher(
            workspace,
            self._downloads,
            self._pending,
            memory,
            remote=self._remote,
            now=now,
            limits=limits,
        )

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
        if current is None or seen is None:
            return TagAnswer(await self._asking.result(name, lambda: self._ask(name, None)))
        try:
            return TagAnswer(await self._ask_briefly(name, seen))
        except RegistryError as exc:
            return TagAnswer(age=age, problem=exc)

    async def _ask_briefly(self, name: Reference, seen: SeenTag) -> Document | None:
        """Ask for a tag that the store has, without letting the client wait for long.

        The request goes on if it takes longer, and later clients see its outcome.
        """
        registry = self._remote(name.repository).registry
        self._failures.check(registry)
        task = self._asking.start(name, lambda: self._ask(name, seen))
        if not self._failures.has_failed(registry):
            await asyncio.wait({task}, timeout=STORED_WAIT_S)
        if task.done():
            return task.result()
        raise Unreachable(f"{registry} has not answered yet", registry=registry)

    async def _ask(self, name: Reference, seen: SeenTag | None) -> Document | None:
        """Return the manifest of a tag; None if it is still that which was seen."""
        assert name.tag is not None  # noqa: S101 - the caller asks for a tag
        remote = self._remote(name.repository)
        self._require_not_absent(str(name), remote)
        try:
            with self._failures.request(remote.registry):
                found = await _changed(remote, Tag(name.tag), seen)
        except ManifestNotFound:
            self._absent.add(str(name))
            raise
        except RegistryError as exc:
            if seen is not None and not isinstance(exc, Offline):
                logger.warning("serving %s from the store: %s", name, printable(exc.message))
            raise
        document, etag = found
        if document is None:
            assert seen is not None  # noqa: S101 - else there is a document
            fresh = SeenTag(seen.digest, etag, self._now())
            await asyncio.to_thread(self._memory.put, name, fresh)
            return None
        self._publisher.note_tag(name, document.digest, etag)
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
        name = f"{repository}@{digest}"
        return await self._reading.result(name, lambda: self._read_document(repository, digest))

    async def _read_document(self, repository: Repository, digest: Digest) -> Document:
        remote = self._remote(repository)
        name = f"{repository}@{digest}"
        self._require_not_absent(name, remote)
        try:
            with self._failures.request(remote.registry):
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
            with self._failures.request(remote.registry):
                size = await remote.blob_size(digest)
            if size is None:
                raise BlobNotFound(
                    f"{remote.registry} does not have blob {digest} in {remote.name}",
                    registry=remote.registry,
                    repository=remote.name,
                )
            target = Descriptor(_ANY, digest, size)
        fetch = self._fetches.running(digest)
        if fetch is None:
            if (
                self._failures.has_failed(remote.registry)
                and self._downloads.size_bytes(digest) != target.size_bytes
            ):
                # A short request finds out whether the registry answers again.
                with self._failures.request(remote.registry):
                    await remote.blob_size(digest)
            fetch = self._fetches.start(target, remote)
        self._askers.setdefault(digest, set()).add(repository)
        return fetch

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
        await self._publisher.finish()

    async def close(self) -> None:
        """End all requests and fetches, and wait for running publications."""
        await self._asking.close()
        await self._reading.close()
        await self._fetches.close()
        await self.published()

    def _keep(self, repository: Repository, document: Document, tag: str | None) -> None:
        self._pending.add(repository, document, tag)
        # Perhaps all of it is here: another repository, or an earlier tag, has brought its blobs.
        self._publisher.settle(repository)

    def _fetch_ended(self, fetch: Fetch) -> None:
        askers = self._askers.pop(fetch.target.digest, ())
        if fetch.error is not None:
            self._failures.settle(fetch.registry, fetch.error)
        if fetch.is_complete:
            for repository in askers:
                self._publisher.settle(repository, fetch.target.digest)

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


async def _changed(
    remote: RemoteRepository, tag: Tag, seen: SeenTag | None
) -> tuple[Document | None, str]:
    """Return the manifest of a tag and its entity tag; no manifest if it is what was seen."""
    if seen is None:
        found = await remote.manifest(tag)
        return found.document, found.etag
    resolved = await remote.resolve_if_changed(tag, seen.etag)
    if resolved is None:
        return None, seen.etag
    if resolved.descriptor.digest == seen.digest:
        return None, resolved.etag
    return (await remote.manifest(resolved.descriptor.digest)).document, resolved.etag
