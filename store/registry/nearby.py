"""Names and platforms beside those that a registry lacks, for messages about missing images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from store.catalog.lists import repository_lists
from store.model.platforms import Platform
from store.registry.repositories import repository_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    from store.model.digests import Digest
    from store.model.references import Repository
    from store.workspace.workspace import Workspace

    T = TypeVar("T")

MAX_NAMES: Final = 3
"""The most names or platforms that a function of this module returns."""

_SEARCHED: Final = 1000
"""The most tags or repositories that are compared."""


def tags_beside(workspace: Workspace, repository: Repository, tag: str) -> list[str]:
    """Return tags of a repository, those with the longest common beginning first.

    Args:
        workspace: The opened store.
        repository: The repository; it may be absent.
        tag: A tag that the repository lacks.
    """
    with workspace.read() as connection:
        found = repository_lists.tags(connection, repository, after="", limit=_SEARCHED)
    return _nearest(found, lambda one: -_common(one, tag))


def repositories_beside(
    workspace: Workspace, repository: Repository, is_visible: Callable[[Repository], bool]
) -> list[Repository]:
    """Return repositories whose last part is that of ``repository``, or begins like it.

    Args:
        workspace: The opened store.
        repository: A repository that does not exist.
        is_visible: Whether a repository may be named.
    """
    last = repository.path.rpartition("/")[2]
    with workspace.read() as connection:
        names = repository_lists.repositories(connection, after="", limit=_SEARCHED)
    similar = (
        one
        for one in map(repository_of, names)
        if 2 * _common(one.path.rpartition("/")[2], last) > len(last) and is_visible(one)
    )
    return _nearest(similar, lambda one: -_common(one.path.rpartition("/")[2], last))


def platforms_beside(workspace: Workspace, repository: Repository, missing: Digest) -> list[str]:
    """Return the platforms of stored images that an index lists beside a missing one.

    Args:
        workspace: The opened store.
        repository: The repository.
        missing: The digest of the missing image.
    """
    with workspace.read() as connection:
        found = repository_lists.platforms_beside(connection, repository, missing, limit=_SEARCHED)
    platforms = {one for one in map(Platform.of_fields, found) if one.is_known}
    return _nearest(map(str, platforms), lambda _: 0)


def _nearest(found: Iterable[T], distance: Callable[[T], int]) -> list[T]:
    """Return the first `MAX_NAMES` by distance, then by name."""
    return sorted(found, key=lambda one: (distance(one), str(one)))[:MAX_NAMES]


def _common(one: str, other: str) -> int:
    """Return the length of the common beginning of two texts."""
    pairs = zip(one, other, strict=False)
    return next(
        (number for number, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other))
    )
