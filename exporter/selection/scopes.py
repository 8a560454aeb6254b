"""Scopes: the stored content that a save may use for each name.

A name stands for the content of its repository, even if the store holds more. A manifest can list
any digest: without a scope, a client could have content of other repositories saved by pushing a
manifest that lists it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, final

from store.catalog import content, manifests, repositories
from store.errors import InvalidDigest
from store.formats.distribution.names import BY_ID
from store.model.digests import Digest
from store.model.references import Repository

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from exporter.options import MayRead
    from exporter.selection.holdings import Holdings
    from store.db.types import ContentKey
    from store.model.contents import Sources


class Scope(Protocol):
    """The stored content that a save may use. What is outside a scope counts as not stored."""

    def held(self, holdings: Holdings, digests: Iterable[Digest]) -> AbstractSet[Digest]:
        """Return the digests that are in the scope, in whatever state.

        Args:
            holdings: The answers of a read transaction.
            digests: The digests to look up.
        """
        ...

    def includes(self, repository: Repository) -> bool:
        """Return whether all content of a repository is in the scope."""
        ...

    def manifests(self, holdings: Holdings, digests: Iterable[Digest]) -> dict[Digest, str]:
        """Return the media type of each manifest or index that is in the scope.

        Args:
            holdings: The answers of a read transaction.
            digests: The digests to look up.
        """
        ...


@final
@dataclass(frozen=True, slots=True)
class WholeStore:
    """All stored content: the scope of an image ID or digest on the command line."""

    def held(self, holdings: Holdings, digests: Iterable[Digest]) -> AbstractSet[Digest]:
        """Return the digests that the store knows."""
        return content.find(holdings.connection, digests).keys()

    def includes(self, repository: Repository) -> bool:  # noqa: ARG002 - as in `Scope`
        """Return that the content of every repository is in the scope."""
        return True

    def manifests(self, holdings: Holdings, digests: Iterable[Digest]) -> dict[Digest, str]:
        """Return the media types of the stored manifests."""
        return manifests.media_types(holdings.connection, digests)


@final
@dataclass(frozen=True, slots=True)
class InRepositories:
    """The content of repositories: the scope of a name."""

    repositories: tuple[Repository, ...]

    def held(self, holdings: Holdings, digests: Iterable[Digest]) -> AbstractSet[Digest]:
        """Return the digests that one of the repositories serves."""
        return holdings.held(self.repositories, digests)

    def includes(self, repository: Repository) -> bool:
        """Return whether the repository is one of these repositories."""
        return repository in self.repositories

    def manifests(self, holdings: Holdings, digests: Iterable[Digest]) -> dict[Digest, str]:
        """Return the media types under which the repositories serve manifests."""
        return holdings.media_types(self.repositories, digests)


@final
@dataclass(frozen=True, slots=True)
class Readable:
    """All content that a client may read: the scope of an image ID or digest in a request.

    Attributes:
        may_read: Returns whether the client may read a repository.
    """

    may_read: MayRead

    def held(self, holdings: Holdings, digests: Iterable[Digest]) -> AbstractSet[Digest]:
        """Return the digests that the client may read in a repository, or without a name."""
        wanted = set(digests)
        answers: dict[str, bool] = {}

        def may_read_name(name: str) -> bool:
            if name not in answers:
                domain, _, path = name.partition("/")
                answers[name] = self.may_read(Repository(domain, path))
            return answers[name]

        found = {
            digest
            for digest, names in repositories.holders_of_all(holdings.connection, wanted).items()
            if any(map(may_read_name, names))
        }
        if self.may_read(BY_ID):
            found |= repositories.unheld(holdings.connection, wanted - found)
        return found

    def includes(self, repository: Repository) -> bool:
        """Return whether the client may read the repository."""
        return self.may_read(repository)

    def manifests(self, holdings: Holdings, digests: Iterable[Digest]) -> dict[Digest, str]:
        """Return the media types of the manifests that the client may read."""
        return manifests.media_types(holdings.connection, self.held(holdings, digests))


WHOLE_STORE: Final[Scope] = WholeStore()


def scope_of(named: tuple[Repository, ...], may_read: MayRead | None) -> Scope:
    """Return the scope of the images that a user names.

    Args:
        named: The repositories of the names; empty if the user gave an image ID or a digest.
        may_read: Returns whether the client may read a repository; None if it may read everything.
    """
    if named:
        return InRepositories(named)
    return WHOLE_STORE if may_read is None else Readable(may_read)


def look_up(holdings: Holdings, wanted: Iterable[tuple[Scope, Iterable[Digest]]]) -> None:
    """Ask in advance, for many scopes at once, which digests are in each scope.

    Args:
        holdings: The answers of a read transaction; the new answers are kept there.
        wanted: Scopes, each with the digests that it will be asked for.
    """
    holdings.look_up(
        (scope.repositories, digests)
        for scope, digests in wanted
        if isinstance(scope, InRepositories)
    )


def usable_sources(
    holdings: Holdings, scope: Scope, digests: Iterable[Digest]
) -> dict[Digest, Sources]:
    """Return where the bytes of each digest are, without the digests outside a scope.

    Args:
        holdings: The answers of a read transaction.
        scope: The content that the save may use.
        digests: The digests to look up.
    """
    wanted = list(dict.fromkeys(digests))
    if scope is WHOLE_STORE:
        return holdings.sources(wanted)
    held = scope.held(holdings, wanted)
    return holdings.sources([digest for digest in wanted if digest in held])


def usable_foreign_layers(
    holdings: Holdings, scope: Scope, found: Mapping[ContentKey, dict[Digest, bytes]]
) -> Mapping[ContentKey, dict[Digest, bytes]]:
    """Return the descriptor to list for each foreign layer in a scope, as JSON bytes, by image.

    Args:
        holdings: The answers of a read transaction.
        scope: The content that the save may use.
        found: The descriptors of the foreign layers of images, as
            `store.catalog.foreign_layers.foreign_sources` returns them.
    """
    if scope is WHOLE_STORE or not found:
        return found
    # A manifest lists the diff itself, or the blob that can be downloaded.
    named = {
        (key, diff): {diff, *_blob_of(descriptor)}
        for key, descriptors in found.items()
        for diff, descriptor in descriptors.items()
    }
    usable = scope.held(holdings, set().union(*named.values()))
    return {
        key: {
            diff: descriptor
            for diff, descriptor in descriptors.items()
            if not usable.isdisjoint(named[key, diff])
        }
        for key, descriptors in found.items()
    }


def _blob_of(descriptor: bytes) -> tuple[Digest, ...]:
    """Return the digest in the descriptor of a foreign layer; empty if it has no valid digest."""
    try:
        return (Digest.parse(json.loads(descriptor).get("digest", "")),)
    except InvalidDigest:
        return ()
