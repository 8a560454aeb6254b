"""The rule that maps the name in an HTTP request to a repository.

If a request has the parameter ``ns``, its value is the registry of the name. Otherwise, as in an
image reference, the first part of the name is the registry if it contains ``.`` or ``:`` or is
``localhost``. All other names belong to the default registry. Pull and push use the same rule, so
one mirror serves images of every registry.

A part of a path cannot contain ``:``. So clients refuse the name
``mirror.example/registry.example:5000/app`` before they send a request. Such a registry has an
alias (`alias`), which they can write: ``mirror.example/registry.example_5000/app``.
"""

from __future__ import annotations

import re
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
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_REGISTRY_WITH_PORT: Final = re.compile(rf"(?P<host>{_LABEL}(?:\.{_LABEL})*):(?P<port>[0-9]+)")
_ALIAS: Final = re.compile(
    rf"(?P<host>{_LABEL}(?:\.{_LABEL})+)_(?P<port>[0-9]+)"
    rf"|(?P<label>{_LABEL})_(?P<label_port>[0-9]+)\.registry"
)


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
        return _resolve_cached(self.default_domain, name, namespace)

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
        name = without_alias(name)
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
        """Return the shortest name for a repository in requests without the parameter ``ns``.

        Clients can write the name after the name of the server: a registry with a port has its
        alias.
        """
        if repository.domain != self.default_domain or begins_with_registry(repository.path):
            return f"{alias(repository.domain)}/{repository.path}"
        return repository.path


def begins_with_registry(name: str) -> bool:
    """Return whether the first part of a name is a registry, by the rule of image references.

    Args:
        name: The name without tag and digest.
    """
    first = name.partition("/")[0]
    return "." in first or ":" in first or first == "localhost"


def alias(registry: str) -> str:
    """Return the name of a registry as a part of a path: ``registry.example_5000``.

    If the host has no dot, the alias ends with ``.registry`` (``corp_5000.registry``), because a
    name without a dot would be a path in the default registry. No alias is the name of a registry,
    because host names have no underscore.

    Args:
        registry: The name of the registry, with or without a port.

    Returns:
        The alias; the same name if the registry has no port, or if its host has capital letters,
        which no part of a path can contain.
    """
    match = _REGISTRY_WITH_PORT.fullmatch(registry)
    if match is None:
        return registry
    return f"{match['host']}_{match['port']}" + ("" if "." in match["host"] else ".registry")


def without_alias(name: str) -> str:
    """Return a name or pattern whose first part is not an alias, but the registry itself.

    Args:
        name: A name that may begin with an alias. A name of one part has no registry.
    """
    first, slash, path = name.partition("/")
    match = _ALIAS.fullmatch(first) if slash else None
    if match is None:
        return name
    return f"{match['host'] or match['label']}:{match['port'] or match['label_port']}/{path}"


@lru_cache(maxsize=4096)
def _resolve_cached(default_domain: str, name: str, namespace: str | None) -> Repository:
    """Resolve a name with a cache, because clients send many requests for the same name."""
    return Names(default_domain)._resolve(name, namespace)  # noqa: SLF001 - the class of this module


def _canonical_registry(namespace: str) -> str:
    # Docker Hub has three host names; references use only the first.
    return DEFAULT_DOMAIN if namespace in _DOCKER_HUB_HOSTS else namespace
