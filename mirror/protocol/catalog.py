"""The catalog: repository names in byte order, without the domain of the default registry.

The order is that of the full names: a registry with a port stands where its name would stand, and
is listed by its alias.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, final

from store.formats.distribution.names import Names, begins_with_registry, without_alias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from store.model.references import Repository

_BATCH_SIZE: Final = 1000


class RepositoryIndex(Protocol):
    """A source of repositories in the byte order of their full names."""

    def repositories(
        self, *, after: str, limit: int, domain: str | None = None, outside: str | None = None
    ) -> Sequence[Repository]:
        """Return repositories after a name.

        Args:
            after: The full name to start after; empty for the beginning.
            limit: How many repositories to return at most.
            domain: The registry whose repositories to return; None for all registries.
            outside: The registry whose repositories to leave out; None for no registry.
        """
        ...


@final
@dataclass(frozen=True, slots=True)
class Catalog:
    """The names of all repositories, as ``/v2/_catalog`` lists them.

    Args:
        names: The rule that maps names to repositories.
        index: The source of the repositories.
    """

    names: Names
    index: RepositoryIndex

    def page(
        self, *, after: str, limit: int, is_visible: Callable[[Repository], bool] | None = None
    ) -> list[str]:
        """Return names in the catalog's order.

        Args:
            after: The name to start after; empty for the beginning.
            limit: How many names to return at most.
            is_visible: Whether to list a repository; None lists every repository.
        """
        if is_visible is None:
            return [name for name, _ in self._read(after=after, limit=limit)]
        found: list[str] = []
        while len(found) < limit:
            # A large batch, because few of its names may be visible.
            batch = self._read(after=after, limit=_BATCH_SIZE)
            found += [name for name, repository in batch if is_visible(repository)]
            if len(batch) < _BATCH_SIZE:
                break
            after = batch[-1][0]
        return found[:limit]

    def _read(self, *, after: str, limit: int) -> list[tuple[str, Repository]]:
        """Return the next names with their repositories, from all registries.

        Sorting ignores the domain of the default registry, so ``a.b/c`` and ``docker.io/a.b/c``
        have the same place in the list. Of the two, ``a.b/c`` is listed first.
        """
        default = self.names.default_domain
        position, is_spelled_out = self._position(after)
        # ``docker.io/a.b/c`` is listed directly after ``a.b/c``.
        default_after = (
            position
            if is_spelled_out or not begins_with_registry(position)
            else _just_before(position)
        )
        ours = self.index.repositories(
            after=f"{default}/{default_after}", limit=limit, domain=default
        )
        others = self.index.repositories(after=position, limit=limit, outside=default)
        found = [(self.names.spell(one), one) for one in (*ours, *others)]
        return sorted(found, key=lambda pair: self._position(pair[0]))[:limit]

    def _position(self, name: str) -> tuple[str, bool]:
        """Return the sort key of a name.

        The key is the name without the domain of the default registry, then whether the name has
        this domain.
        """
        full = without_alias(name)
        position = full.removeprefix(f"{self.names.default_domain}/")
        return position, position != full


def _just_before(name: str) -> str:
    """Return a text that sorts before ``name`` and after every smaller name.

    The text ends with a character that names cannot contain.
    """
    return name[:-1] + chr(max(0, ord(name[-1]) - 1)) + "\x7f"
