"""The content of upstream registries, fetched when a client asks for it, and published when whole.

All methods belong to one event loop; what blocks runs in threads.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, final

from remote.errors import (
    ManifestNotFound,
    Offline,
    RegistryUnavailable,
    Unreachable,
)
from remote.http.budget_rows import BudgetRows
from remote.registry.values import Tag
from remote.through.counts import Counts
from remote.through.failures import Failures
from remote.through.fetches import Fetches
from remote.through.lists import Lists
from remote.through.memory import Absences, SeenTag
from remote.through.pending_rows import PendingRows
from remote.through.proofs import Proofs
from remote.through.publishing import Publisher
from remote.through.shared_pending import SharedPending
from remote.through.shared_work import SharedWork
from remote.through.sources import Sources, described
from remote.through.tag_rows import TagListRows
from store.blobs.downloads import Downloads
from store.errors import StoreError, printable
from store.model.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from remote.registry.client import RegistryClient
    from remote.registry.repository import Repository as RemoteRepository
    from remote.registry.values import ManifestDocument
    from remote.through.fetches import Fetch
    from remote.through.memory import TagMemory
    from remote.through.upstreams import Upstream, Upstreams
    from store.formats.image.manifests import Document
    from store.model.digests import Digest
    from store.model.limits import Limits
    from store.model.references import Reference, Repository
    from store.workspace.workspace import Workspace

logger = logging.getLogger(__name__)

STORED_WAIT_S: Final = 3.0
"""How long a client waits for an upstream registry if the store has an answer, in seconds."""

USE_EVERY: Final = timedelta(hours=1)
"""How often the use of a tag that never moves is recorded."""


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
    problem: StoreError | None = None


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

    Attributes:
        counts: What was done since the start.
        lists: The lists of the registries.
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
        self._memory = memory
        self._max_age = max_age
        self._now = now
        self._downloads = Downloads(workspace.root)
        self.counts = Counts()
        self._fetches = Fetches(
            self._downloads, self._fetch_ended, counts=self.counts, is_stored=self._is_stored
        )
        self._rows = PendingRows(workspace, now)
        self._budget_rows = BudgetRows(workspace)
        self._pending = SharedPending(self._rows, now)
        self._absent = Absences(now)
        self._failures = Failures(now)
        self._sources = Sources(upstreams, client, self._failures, self.counts)
        rows = TagListRows(workspace)
        self.lists = Lists(self._sources, rows, is_fresh=self._is_list_fresh, now=now)
        self._asking: SharedWork[Document | None] = SharedWork()
        self._reading: SharedWork[Document] = SharedWork()
        self._noting: SharedWork[None] = SharedWork()
        self._closing: set[asyncio.Task[None]] = set()
        self._askers: dict[Digest, set[Repository]] = {}
        self._starters: dict[Digest, Repository] = {}
        self._proofs = Proofs()
        self._publisher = Publisher(
            workspace,
            self._downloads,
            self._pending,
            self._rows,
            memory,
            remote=lambda repository: self._sources.of(repository)[-1],
            prove=self._prove,
            now=now,
            limits=limits,
        )

    def has(self, repository: Repository) -> bool:
        """Return whether an upstream registry has the images of a repository."""
        return self._sources.has(repository)

    def use(
        self, upstreams: Upstreams, client: RegistryClient, *, max_age: timedelta
    ) -> asyncio.Task[None]:
        """Use other upstream registries from now on, and close the client of the former ones.

        Args:
            upstreams: The registries.
            client: Sends the requests.
            max_age: How long a tag is answered without a request.

        Returns:
            The task that closes the former client when all of its requests have ended.
        """
        former, running = self._sources.client, self._tasks()
        self._sources.upstreams, self._sources.client = upstreams, client
        self._max_age = max_age

        async def close_former() -> None:
            if running:
                await asyncio.wait(running)
            await former.close()

        task = asyncio.create_task(close_former())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        return task

    def _tasks(self) -> list[asyncio.Task[Any]]:
        return [*self.lists.tasks, *self._asking.tasks, *self._reading.tasks, *self._fetches.tasks]

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
        if current is not None and age is not None and not self._is_old(name, age):
            self._note_use(name, seen, age)
            return TagAnswer(age=age)
        served = await self._served_lately(name)
        if served is not None and served.digest != current:
            return TagAnswer(served)
        if current is None or seen is None:
            return TagAnswer(await self._asking.result(name, lambda: self._ask(name, None)))
        try:
            await self._require_budget(name.repository)
            return TagAnswer(await self._ask_briefly(name, seen))
        except StoreError as exc:
            return TagAnswer(age=age, problem=exc)

    async def _require_budget(self, repository: Repository) -> None:
        """Raise BudgetReached if a registry takes few more requests: those are for misses."""
        budgets = self._sources.client.transport.settings.budgets
        if budgets is None:
            return
        registry = self._sources.of(repository)[-1].registry
        await asyncio.to_thread(self._budget_rows.exchange_sometimes, budgets, registry)
        budgets.check(registry)

    async def _served_lately(self, name: Reference) -> Document | None:
        """Return the manifest of a tag that was asked for a moment ago and is not published."""
        found = await self._pending.of_tag(name)
        if found is None:
            return None
        document, asked_at = found
        return document if self._is_list_fresh(name.repository, self._now() - asked_at) else None

    def _note_use(self, name: Reference, seen: SeenTag | None, age: timedelta) -> None:
        """Record the use of a tag that never moves: no request to its registry records it.

        The limits of `store.maintenance.cache` rely on it.
        """
        upstream = self._sources.upstreams.find(name.repository)
        if seen is None or age < USE_EVERY or upstream is None or name.tag is None:
            return
        if upstream.is_immutable(name.tag):
            used = SeenTag(seen.digest, seen.etag, self._now())
            self._noting.start(name, lambda: asyncio.to_thread(self._memory.put, name, used))

    def _is_old(self, name: Reference, age: timedelta) -> bool:
        """Return whether the upstream registry has to be asked for a stored tag again."""
        upstream = self._sources.upstreams.find(name.repository)
        if upstream is None or name.tag is None:
            return True
        return not upstream.is_immutable(name.tag) and age >= self._age_limit(upstream)

    def _is_list_fresh(self, repository: Repository, age: timedelta) -> bool:
        upstream = self._sources.upstreams.find(repository)
        return upstream is not None and age < self._age_limit(upstream)

    def _age_limit(self, upstream: Upstream) -> timedelta:
        return self._max_age if upstream.max_age is None else upstream.max_age

    async def _ask_briefly(self, name: Reference, seen: SeenTag) -> Document | None:
        """Ask for a tag that the store has, without letting the client wait for long.

        The request goes on if it takes longer, and later clients see its outcome.
        """
        remotes = self._sources.of(name.repository)
        self._sources.check(remotes)
        task = self._asking.start(name, lambda: self._ask(name, seen))
        if not self._sources.have_failed(remotes):
            await asyncio.wait({task}, timeout=STORED_WAIT_S)
        if task.done():
            return task.result()
        registry = remotes[-1].registry
        raise Unreachable(f"{registry} has not answered yet", registry=registry)

    async def _ask(self, name: Reference, seen: SeenTag | None) -> Document | None:
        """Return the manifest of a tag; None if it is still that which was seen."""
        assert name.tag is not None  # noqa: S101 - the caller asks for a tag
        tag, remotes = Tag(name.tag), self._sources.of(name.repository)
        self._require_not_absent(str(name), remotes[-1])
        try:
            document, etag = await self._sources.first(
                remotes, lambda remote: self._changed(remote, tag, seen)
            )
        except ManifestNotFound:
            self._absent.add(str(name))
            raise
        except StoreError as exc:
            if seen is not None and not isinstance(exc, Offline):
                logger.warning("serving %s from the store: %s", name, printable(exc.message))
            raise
        if document is None:
            assert seen is not None  # noqa: S101 - else there is a document
            fresh = SeenTag(seen.digest, etag, self._now())
            await asyncio.to_thread(self._memory.put, name, fresh)
            return None
        await self._keep(name.repository, document, name.tag, etag)
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
        kept = await self._pending.find(repository, digest)
        if kept is not None:
            return kept
        name = f"{repository}@{digest}"
        return await self._reading.result(name, lambda: self._read_document(repository, digest))

    async def _read_document(self, repository: Repository, digest: Digest) -> Document:
        remotes = self._sources.of(repository, digest)
        name = f"{repository}@{digest}"
        self._require_not_absent(name, remotes[-1])
        try:
            found = await self._sources.first(remotes, lambda remote: self._counted(remote, digest))
        except ManifestNotFound:
            self._absent.add(name)
            raise
        await self._keep(repository, found.document, None)
        return found.document

    async def blob(self, repository: Repository, digest: Digest) -> Fetch:
        """Return the fetch of a blob that the store does not serve; begin it if necessary.

        Args:
            repository: The repository that was asked for it.
            digest: The digest of the blob.

        Raises:
            BlobNotFound: The upstream registry does not have it.
            RegistryError: The upstream registry cannot be asked.
        """
        fetch = self._fetches.running(digest)
        if fetch is not None and self._starters.get(digest) != repository:
            # The bytes come from another repository.
            await self._prove(repository, digest)
            fetch = self._fetches.running(digest)
        if fetch is None:
            remotes = self._sources.of(repository, digest)
            target, remote = await self._pending.blob(repository, digest), remotes[0]
            is_here = target is not None and self._downloads.size_bytes(digest) == target.size_bytes
            # A short request finds the registry that has the blob, if it is not known which one
            # does, or whether the only one answers again.
            if target is None or (
                not is_here and (len(remotes) > 1 or self._sources.have_failed(remotes))
            ):
                found, remote = await self._sources.first(
                    remotes, lambda remote: described(remote, digest)
                )
                target = target or found
                self._proofs.add(repository, digest)
            fetch = self._fetches.start(
                target, remote, is_proven=self._proofs.has(repository, digest)
            )
            self._starters.setdefault(digest, repository)
        self._askers.setdefault(digest, set()).add(repository)
        return fetch

    async def read(self, fetch: Fetch, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield a part of a blob as soon as it is here.

        Args:
            fetch: The fetch of the blob.
            start: The offset of the first byte.
            stop: The offset after the last byte.

        Raises:
            NowStored: The blob was published meanwhile, so the store has it.
            StoreError: The blob cannot be fetched.
        """
        async for piece in self._fetches.read(fetch, start, stop):
            yield piece

    async def published(self) -> None:
        """Wait until all images that are whole are published."""
        await self._publisher.finish()

    async def close(self) -> None:
        """End all requests and fetches, wait for running publications, and close the client."""
        await self.lists.close()
        await self._asking.close()
        await self._reading.close()
        await self._noting.close()
        await self._pending.close()
        await self._fetches.close()
        await self.published()
        if self._closing:
            await asyncio.wait(self._closing)
        await self._sources.client.close()

    async def _keep(
        self, repository: Repository, document: Document, tag: str | None, etag: str = ""
    ) -> None:
        # Perhaps all of it is here: another repository, or an earlier tag, has brought its blobs.
        await self._pending.note(
            repository, document, tag, etag, on_end=lambda: self._publisher.settle(repository)
        )

    async def _prove(self, repository: Repository, digest: Digest) -> None:
        """Check that the upstream registry of a repository has a blob, unless that is known.

        Raises:
            BlobNotFound: It does not have it.
            RegistryError: It cannot be asked.
        """
        if not self._proofs.has(repository, digest):
            remotes = self._sources.of(repository, digest)
            await self._sources.first(remotes, lambda remote: described(remote, digest))
            self._proofs.add(repository, digest)

    async def _is_stored(self, digest: Digest) -> bool:
        return await self._publisher.has_published(digest, self._askers.get(digest, ()))

    def _fetch_ended(self, fetch: Fetch) -> None:
        askers = self._askers.pop(fetch.target.digest, ())
        starter = self._starters.pop(fetch.target.digest, None)
        if fetch.error is not None:
            self._failures.settle(fetch.registry, fetch.error)
            if isinstance(fetch.error, RegistryUnavailable):
                self.counts.errors[fetch.registry] += 1
        if fetch.is_complete:
            if starter is not None:
                self._proofs.add(starter, fetch.target.digest)
            for repository in askers:
                self._publisher.settle(repository, fetch.target.digest)

    async def _changed(
        self, remote: RemoteRepository, tag: Tag, seen: SeenTag | None
    ) -> tuple[Document | None, str]:
        """Return the manifest of a tag and its entity tag; no manifest if it is what was seen."""
        if seen is None:
            found = await self._counted(remote, tag)
            return found.document, found.etag
        resolved = await remote.resolve_if_changed(tag, seen.etag)
        if resolved is None:
            return None, seen.etag
        if resolved.descriptor.digest == seen.digest:
            return None, resolved.etag
        return (await self._counted(remote, resolved.descriptor.digest)).document, resolved.etag

    async def _counted(self, remote: RemoteRepository, target: Tag | Digest) -> ManifestDocument:
        found = await remote.manifest(target)
        self.counts.received_bytes[remote.registry] += len(found.document.data)
        return found

    def _require_not_absent(self, name: str, remote: RemoteRepository) -> None:
        if self._absent.holds(name):
            raise ManifestNotFound(
                f"{remote.registry} does not have {name}",
                registry=remote.registry,
                repository=remote.name,
            )
