"""Lists of tags and referrers of upstream registries, kept in memory for a short time.

Lists of tags are remembered in the store as well, for other processes and after a restart. If the
registry cannot be asked, the list of tags that it has sent last is the answer. A list of referrers
is empty then: the list of the store takes its place.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, final

from remote.errors import InvalidAnswer, RemoteRepositoryNotFound, Unreachable
from remote.through.memory import SeenTags
from remote.through.shared_work import SharedWork
from store.errors import StoreError, printable
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime, timedelta

    from remote.registry.repository import Repository as RemoteRepository
    from remote.through.memory import ListMemory
    from remote.through.sources import Sources
    from store.formats.image.manifests import Link
    from store.model.digests import Digest
    from store.model.references import Repository

logger = logging.getLogger(__name__)

MAX_TAGS: Final = 100_000
"""The most tags of an upstream repository that are listed."""

MAX_REFERRERS: Final = 10_000
"""The most referrers of one manifest that are listed."""

MAX_LIST_BYTES: Final = 8 * MIB
"""The size of the longest list."""

MAX_BYTES: Final = 32 * MIB
"""The size of all lists that one process keeps."""

STORED_WAIT_S: Final = 3.0
"""How long a client waits for the registry if the store has a list, in seconds."""

_ENTRY_BYTES: Final = 200
"""About what an entry needs besides its text."""


@final
@dataclass(frozen=True, slots=True)
class UpstreamReferrer:
    """A manifest at an upstream registry that names another manifest as its subject.

    It implements `store.formats.distribution.referrers.Referrer`.
    """

    digest: Digest
    size_bytes: int
    media_type: str
    artifact_type: str
    annotations: Mapping[str, str]

    @classmethod
    def of(cls, link: Link) -> UpstreamReferrer:
        """Return the referrer that a link of a list describes."""
        target = link.target
        return cls(
            link.digest, target.size_bytes, target.media_type, link.artifact_type, link.annotations
        )

    @property
    def text_bytes(self) -> int:
        """The size of its text."""
        return sum(len(key) + len(value) for key, value in self.annotations.items()) + len(
            self.media_type + self.artifact_type
        )


@final
@dataclass(frozen=True, slots=True)
class UpstreamList:
    """A list of an upstream registry.

    Attributes:
        tags: The tags; empty for a list of referrers.
        referrers: The referrers; empty for a list of tags.
        asked_at: When the registry sent the list; None if it has sent none.
        problem: Why the registry could not be asked now; None if it could, or if it was asked a
            moment ago.
        age: How old a list is that is given because of a problem; None for other lists.
        size_bytes: About what the list needs in memory.
    """

    tags: tuple[str, ...] = ()
    referrers: tuple[UpstreamReferrer, ...] = ()
    asked_at: datetime | None = None
    problem: StoreError | None = None
    age: timedelta | None = None
    size_bytes: int = 0


@final
class Lists:
    """The lists of upstream registries. All methods belong to one event loop.

    Args:
        sources: The registries.
        memory: Remembers lists of tags.
        is_fresh: Returns whether a list of a repository that was asked for some time ago is used
            without another request.
        now: Returns the current time.
        max_bytes: The size of all lists that are kept.
    """

    def __init__(
        self,
        sources: Sources,
        memory: ListMemory,
        *,
        is_fresh: Callable[[Repository, timedelta], bool],
        now: Callable[[], datetime],
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._sources = sources
        self._memory = memory
        self._is_fresh = is_fresh
        self._now = now
        self._max_bytes = max_bytes
        self._kept: OrderedDict[tuple[Repository, Digest | None], UpstreamList] = OrderedDict()
        self._bytes = 0
        self._asking: SharedWork[UpstreamList] = SharedWork()

    @property
    def tasks(self) -> list[asyncio.Task[UpstreamList]]:
        """The requests that run."""
        return self._asking.tasks

    async def close(self) -> None:
        """End all requests."""
        await self._asking.close()

    async def tags(self, repository: Repository, *, is_stored: bool) -> UpstreamList:
        """Return the tags that a repository has at its registry.

        Args:
            repository: The repository, as clients name it.
            is_stored: Whether the store has a list, so that the client need not wait for long.
        """
        return await self._list(repository, None, is_stored=is_stored)

    async def referrers(
        self, repository: Repository, subject: Digest, *, is_stored: bool
    ) -> UpstreamList:
        """Return the referrers that a manifest has at its registry.

        A registry without the referrers API is asked for the fallback tag.

        Args:
            repository: The repository, as clients name it.
            subject: The digest of the manifest.
            is_stored: Whether the store has a list, so that the client need not wait for long.
        """
        return await self._list(repository, subject, is_stored=is_stored)

    async def _list(
        self, repository: Repository, subject: Digest | None, *, is_stored: bool
    ) -> UpstreamList:
        key = (repository, subject)
        kept = self._kept.get(key)
        if kept is not None and kept.asked_at is not None:
            if self._is_fresh(repository, self._now() - kept.asked_at):
                self._kept.move_to_end(key)
                return kept
            self._forget(key)
        last = await self._remembered(repository) if subject is None else None
        if last is not None and last.asked_at is not None:
            age = self._now() - last.asked_at
            if self._is_fresh(repository, age):
                # Another process has asked, or this one before a restart.
                self._keep(key, last)
                return last
            last = replace(last, age=age)
        can_answer = is_stored or last is not None
        try:
            remotes = self._sources.of(repository, subject)
            self._sources.check(remotes)
            task = self._asking.start(key, lambda: self._ask(key))
            must_wait = not can_answer or not self._sources.have_failed(remotes)
            if must_wait:
                await asyncio.wait({task}, timeout=STORED_WAIT_S if can_answer else None)
            if task.done():
                return task.result()
            registry = remotes[-1].registry
            raise Unreachable(f"{registry} has not answered yet", registry=registry)
        except StoreError as exc:
            return replace(last or UpstreamList(), problem=exc)

    async def _ask(self, key: tuple[Repository, Digest | None]) -> UpstreamList:
        repository, subject = key
        remotes = self._sources.of(repository, subject)
        work: Callable[[RemoteRepository], Awaitable[UpstreamList]] = (
            self._read_tags if subject is None else lambda remote: self._read(remote, subject)
        )
        found = await self._sources.first(remotes, work)
        self._keep(key, found)
        if subject is None and found.asked_at is not None:
            await self._remember(repository, SeenTags(found.tags, found.asked_at))
        return found

    def _keep(self, key: tuple[Repository, Digest | None], found: UpstreamList) -> None:
        if key in self._kept:
            self._forget(key)
        if found.size_bytes <= self._max_bytes:
            self._kept[key] = found
            self._bytes += found.size_bytes
        while self._bytes > self._max_bytes:
            self._forget(next(iter(self._kept)))

    async def _remembered(self, repository: Repository) -> UpstreamList | None:
        """Return the list of tags that the registry has sent last; None if there is none."""
        try:
            seen = await asyncio.to_thread(self._memory.get, repository)
        except StoreError as exc:
            logger.warning("cannot read lists of upstream tags: %s", printable(exc.message))
            return None
        if seen is None:
            return None
        size = sum(len(tag) + _ENTRY_BYTES for tag in seen.tags) + _ENTRY_BYTES
        return UpstreamList(tags=seen.tags, asked_at=seen.asked_at, size_bytes=size)

    async def _remember(self, repository: Repository, seen: SeenTags) -> None:
        """Remember a list of tags. A client that asks for invented names causes no change."""
        try:
            if seen.tags or await asyncio.to_thread(self._memory.get, repository) is not None:
                await asyncio.to_thread(self._memory.put, repository, seen)
        except StoreError as exc:
            # The client gets the list nevertheless.
            logger.warning("cannot remember the tags of %s: %s", repository, printable(exc.message))

    async def _read_tags(self, remote: RemoteRepository) -> UpstreamList:
        tags: list[str] = []
        size = 0
        try:
            async for tag in remote.tags():
                tags.append(tag)
                size += len(tag) + _ENTRY_BYTES
                _check(remote, len(tags), MAX_TAGS, size)
        except RemoteRepositoryNotFound:
            tags, size = [], 0
        return UpstreamList(
            tags=tuple(sorted(set(tags))), asked_at=self._now(), size_bytes=size + _ENTRY_BYTES
        )

    async def _read(self, remote: RemoteRepository, subject: Digest) -> UpstreamList:
        found: list[UpstreamReferrer] = []
        size = 0
        try:
            async for link in remote.referrers(subject):
                one = UpstreamReferrer.of(link)
                found.append(one)
                size += one.text_bytes + _ENTRY_BYTES
                _check(remote, len(found), MAX_REFERRERS, size)
        except RemoteRepositoryNotFound:
            found, size = [], 0
        found.sort(key=lambda one: str(one.digest))
        return UpstreamList(
            referrers=tuple(found), asked_at=self._now(), size_bytes=size + _ENTRY_BYTES
        )

    def _forget(self, key: tuple[Repository, Digest | None]) -> None:
        self._bytes -= self._kept.pop(key).size_bytes


def _check(remote: RemoteRepository, count: int, most: int, size_bytes: int) -> None:
    """Raise if a list has too many entries, or too long ones."""
    if count > most or size_bytes > MAX_LIST_BYTES + count * _ENTRY_BYTES:
        raise InvalidAnswer(
            f"the list of {remote.registry}/{remote.name} is too long: more than {most:,} entries,"
            f" or more than {MAX_LIST_BYTES // MIB} MiB",
            registry=remote.registry,
            repository=remote.name,
        )
