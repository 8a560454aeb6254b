"""Names over HTTP, and the repositories they stand for.

With ``ns`` a name belongs to that registry; without, a first part with ``.`` or ``:`` (or
``localhost``) is the registry, as in an image reference; else it belongs to the default one. One
mirror serves all upstreams so, and pull and push use the same rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, final

from store.errors import InvalidReference, printable
from store.model.references import DEFAULT_DOMAIN, Reference, Repository
from store.registry.registry import BY_ID

if TYPE_CHECKING:
    from collections.abc import Callable

    from store.registry.registry import Registry

_WALK: Final = 1000
_REMEMBERED_CHARACTERS: Final = 512


@final
@dataclass(frozen=True, slots=True)
class Names:
    """The rule, for one default registry."""

    default_domain: str = DEFAULT_DOMAIN

    def resolve(self, name: str, namespace: str | None = None) -> Repository:
        """The repository that ``name`` stands for; ``namespace`` is the ``ns`` parameter.

        Raises InvalidReference.
        """
        if len(name) + len(namespace or "") > _REMEMBERED_CHARACTERS:
            return self._resolve(name, namespace)
        return _resolved(self, name, namespace)

    def _resolve(self, name: str, namespace: str | None) -> Repository:
        if name == str(BY_ID):
            return BY_ID
        has_domain = "/" in name and _begins_with_registry(name)
        if namespace:
            registry = _registry(namespace)
            repository = Repository.parse(f"{registry}/{name}")
            if repository.domain != registry:
                # Read as a part of a path, it would name a repository of another registry.
                raise InvalidReference(
                    f"{printable(namespace)!r} is no registry's name", text=namespace
                )
            return repository
        return Repository.parse(name if has_domain else f"{self.default_domain}/{name}")

    def reference(self, text: str, namespace: str | None = None) -> Reference:
        """What ``NAME[:TAG][@DIGEST]`` stands for. Raises InvalidReference."""
        name, _, _ = text.partition("@")
        head, colon, tag = name.rpartition(":")
        if colon and "/" not in tag:
            name = head
        repository = self.resolve(name, namespace)
        return Reference.parse(f"{repository}{text[len(name) :]}")

    def spell(self, repository: Repository) -> str:
        """A name that resolves to ``repository`` without ``ns``."""
        if repository.domain != self.default_domain or _begins_with_registry(repository.path):
            return str(repository)
        return repository.path

    def page(
        self,
        registry: Registry,
        *,
        after: str,
        limit: int,
        only: Callable[[Repository], bool] | None = None,
    ) -> list[str]:
        """Names behind ``after`` in the catalog's order: the byte order of names without the default registry. Of repositories that ``only`` lets pass."""
        if only is None:
            return [name for name, _ in self._page(registry, after=after, limit=limit)]
        found: list[str] = []
        while len(found) < limit:
            # More than are wanted at once: few of them may pass.
            names = self._page(registry, after=after, limit=_WALK)
            found += [name for name, repository in names if only(repository)]
            if len(names) < _WALK:
                break
            after = names[-1][0]
        return found[:limit]

    def _page(self, registry: Registry, *, after: str, limit: int) -> list[tuple[str, Repository]]:
        """Two walks over an index, merged.

        Where both come to one name, ``a.b/c`` stands before the default registry's
        ``docker.io/a.b/c``.
        """
        place, is_spelled_out = self._place(after)
        # Behind ``a.b/c`` comes first what has that name at the default registry.
        ours_after = (
            place if is_spelled_out or not _begins_with_registry(place) else _just_before(place)
        )
        ours = registry.repositories(
            after=f"{self.default_domain}/{ours_after}", limit=limit, domain=self.default_domain
        )
        others = registry.repositories(after=place, limit=limit, outside=self.default_domain)
        found = [(self.spell(one), one) for one in (*ours, *others)]
        return sorted(found, key=lambda pair: self._place(pair[0]))[:limit]

    def _place(self, name: str) -> tuple[str, bool]:
        """Where a name stands: by what is left without the default registry, and behind another one that is the same without."""
        place = name.removeprefix(f"{self.default_domain}/")
        return place, place != name


def _begins_with_registry(name: str) -> bool:
    first = name.partition("/")[0]
    return "." in first or ":" in first or first == "localhost"


def _just_before(name: str) -> str:
    """A text between ``name`` and every name before it: no name has a character like its last one."""
    return name[:-1] + chr(max(0, ord(name[-1]) - 1)) + "\x7f"


@lru_cache(maxsize=4096)
def _resolved(names: Names, name: str, namespace: str | None) -> Repository:
    """Clients ask about one name many times in a row."""
    return names._resolve(name, namespace)  # noqa: SLF001 - its own class, a line above


def _registry(namespace: str) -> str:
    # Docker Hub has three names; only one of them is written in references.
    return DEFAULT_DOMAIN if namespace in ("registry-1.docker.io", "index.docker.io") else namespace
