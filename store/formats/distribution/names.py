"""The rule that maps the name in an HTTP request to a repository.

If a request has the parameter ``ns``, its value is the registry of the name. Otherwise, as in an
image reference, the first part of the name is the registry if it contains ``.`` or ``:`` or is
``localhost``. All other names belong to the default registry. Pull and push use the same rule, so
one mirror serves images of every registry.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, final

from store.errors import InvalidReference, printable
from store.model.references import DEFAULT_DOMAIN, Reference, Repository

BY_ID: Final = Repository("_", "by-id")
"""The repository that serves images without a name, by the digest of their manifest.

This name is not valid in an image reference, and the mirror accepts no push to this repository.
"""

_DOCKER_HUB_HOSTS: Final = ("registry-1.docker.io", "index.docker.io")
_MAX_CACHED_CHARACTERS: Final = 512


@final
@dataclass(frozen=True, slots=True)
class Names:
    """The rule that maps names to repositories.

    Args:
        default_domain: The registry of names that do not begin with a registry.
    """

    default_domain: str = DEFAULT_DOMAIN

    def resolve(self, name: str, namespace: str | None = None) -> Repository:
        """Return the repository that a name in a request refers to.

        Args:
            name: The name in the path of a request.
            namespace: The value of the parameter ``ns``; None or empty if there is none.

        Raises:
            InvalidReference: The name or the namespace is invalid.
        """
        if len(name) + len(namespace or "") > _MAX_CACHED_CHARACTERS:
            return self._resolve(name, namespace)
        return _resolve_cached(self, name, namespace)

    def _resolve(self, name: str, namespace: str | None) -> Repository:
        if name == str(BY_ID):
            return BY_ID
        if namespace:
            registry = _canonical_registry(namespace)
            repository = Repository.parse(f"{registry}/{name}")
            if repository.domain != registry:
                # The reference parser takes this namespace for a part of the path, so the name
                # would belong to a different registry.
                raise InvalidReference(
                    f"invalid registry name: {printable(namespace)!r}", text=namespace
                )
            return repository
        has_registry = "/" in name and begins_with_registry(name)
        return Repository.parse(name if has_registry else f"{self.default_domain}/{name}")

    def reference(self, text: str, namespace: str | None = None) -> Reference:
        """Parse ``NAME[:TAG][@DIGEST]``.

        Args:
            text: The reference; its name is resolved by the rule of `resolve`.
            namespace: The value of the parameter ``ns``; None or empty if there is none.

        Raises:
            InvalidReference: A part of the reference is invalid.
        """
        name, _, _ = text.partition("@")
        head, colon, tag = name.rpartition(":")
        if colon and "/" not in tag:
            name = head
        repository = self.resolve(name, namespace)
        return Reference.parse(f"{repository}{text[len(name) :]}")

    def spell(self, repository: Repository) -> str:
        """Return the shortest name for a repository in requests without the parameter ``ns``."""
        if repository.domain != self.default_domain or begins_with_registry(repository.path):
            return str(repository)
        return repository.path


def begins_with_registry(name: str) -> bool:
    """Return whether the first part of a name is a registry, by the rule of image references.

    Args:
        name: The name without tag and digest.
    """
    first = name.partition("/")[0]
    return "." in first or ":" in first or first == "localhost"


@lru_cache(maxsize=4096)
def _resolve_cached(names: Names, name: str, namespace: str | None) -> Repository:
    """Resolve a name with a cache, because clients send many requests for the same name."""
    return names._resolve(name, namespace)  # noqa: SLF001 - the class of this module


def _canonical_registry(namespace: str) -> str:
    # Docker Hub has three host names; references use only the first.
    return DEFAULT_DOMAIN if namespace in _DOCKER_HUB_HOSTS else namespace
