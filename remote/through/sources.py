"""The upstream registries of a running server, asked in turn until one has an answer."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, TypeVar, final

from remote.errors import BlobNotFound, Offline, RegistryError, RegistryUnavailable
from store.errors import NotFound, printable
from store.model.digests import Descriptor

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from remote.registry.client import RegistryClient
    from remote.registry.repository import Repository as RemoteRepository
    from remote.through.counts import Counts
    from remote.through.failures import Failures
    from remote.through.upstreams import Upstreams
    from store.model.digests import Digest
    from store.model.references import Repository

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

_ANY: Final = "application/octet-stream"
_MAX_KNOWN: Final = 4096
"""How many repositories are remembered; each request for content asks about one."""


@final
class Sources:
    """The upstream registries of a running server. All methods belong to one event loop.

    Args:
        upstreams: The registries.
        client: Sends the requests.
        failures: Remembers registries that have failed.
        counts: Counts the failures.

    Attributes:
        upstreams: The registries in effect.
        client: The client in effect.
    """

    def __init__(
        self, upstreams: Upstreams, client: RegistryClient, failures: Failures, counts: Counts
    ) -> None:
        self.upstreams = upstreams
        self.client = client
        self._failures = failures
        self._counts = counts
        self._known: dict[Repository, bool] = {}
        self._known_of = upstreams

    def has(self, repository: Repository) -> bool:
        """Return whether an upstream registry has the images of a repository."""
        upstreams = self.upstreams
        if self._known_of is not upstreams or len(self._known) >= _MAX_KNOWN:
            self._known_of, self._known = upstreams, {}
        found = self._known.get(repository)
        if found is None:
            found = self._known[repository] = bool(upstreams.places(repository))
        return found

    def of(
        self, repository: Repository, digest: Digest | None = None
    ) -> tuple[RemoteRepository, ...]:
        """Return the repositories to ask for content of a repository, the first one first.

        Args:
            repository: The repository, as clients name it.
            digest: The digest that is asked for; None for a tag.

        Raises:
            NotFound: The repository is not pulled through.
        """
        places = self.upstreams.places(repository, digest)
        if not places:
            raise NotFound(f"no upstream registry has {repository}")
        return tuple(self.client.repository(one.registry, one.path) for one in places)

    def check(self, remotes: Sequence[RemoteRepository]) -> None:
        """Raise if none of some repositories may be asked now.

        Raises:
            RegistryUnavailable: Their registries have failed a moment ago.
        """
        problem: RegistryUnavailable | None = None
        for remote in remotes:
            try:
                self._failures.check(remote.registry)
            except RegistryUnavailable as exc:
                problem = exc
            else:
                return
        if problem is not None:
            raise problem

    def have_failed(self, remotes: Sequence[RemoteRepository]) -> bool:
        """Return whether the registries of all of some repositories have failed."""
        return all(self._failures.has_failed(remote.registry) for remote in remotes)

    async def first(
        self,
        remotes: Sequence[RemoteRepository],
        work: Callable[[RemoteRepository], Awaitable[Result]],
    ) -> Result:
        """Return the first result that one of some repositories gives.

        Args:
            remotes: The repositories; at least one.
            work: Sends the requests to a repository.

        Raises:
            RegistryError: The last repository has failed, and so have the others.
        """
        *mirrors, last = remotes
        for remote in mirrors:
            try:
                return await self._ask(remote, work)
            except Offline:
                raise
            except RegistryError as exc:
                logger.info("asking the next registry: %s", printable(exc.message))
        return await self._ask(last, work)

    async def _ask(
        self, remote: RemoteRepository, work: Callable[[RemoteRepository], Awaitable[Result]]
    ) -> Result:
        with self._failures.request(remote.registry):
            try:
                return await work(remote)
            except RegistryUnavailable as exc:
                if not isinstance(exc, Offline):
                    self._counts.errors[remote.registry] += 1
                raise


async def described(
    remote: RemoteRepository, digest: Digest
) -> tuple[Descriptor, RemoteRepository]:
    """Return the size of a blob, and the repository that has it.

    Args:
        remote: The repository that is asked.
        digest: The digest of the blob.

    Raises:
        BlobNotFound: The repository does not have it.
    """
    size = await remote.blob_size(digest)
    if size is None:
        raise BlobNotFound(
            f"{remote.registry} does not have blob {digest} in {remote.name}",
            registry=remote.registry,
            repository=remote.name,
        )
    return Descriptor(_ANY, digest, size), remote
