"""The keys of credentials: registries, and repositories as prefixes of names.

docker writes ``https://index.docker.io/v1/`` for Docker Hub, and a host with its port for any other
registry; old versions wrote URLs. podman writes ``docker.io``, and may write the prefix of a name
after the host. Source: docker/cli, cli/config/credentials; containers-auth.json(5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self, final

from store.errors import InvalidReference, StoreError, printable
from store.model.references import DEFAULT_DOMAIN, Repository

DOCKER_HUB_URL: Final = "https://index.docker.io/v1/"
"""The key of Docker Hub in docker's file and in credential helpers."""

_DOCKER_HUB_HOSTS: Final = frozenset(
    (DEFAULT_DOMAIN, f"index.{DEFAULT_DOMAIN}", f"registry-1.{DEFAULT_DOMAIN}")
)
_SCHEMES: Final = ("https://", "http://")
_API_PATHS: Final = frozenset(("", "v1", "v2"))
_MAX_QUOTED: Final = 160


@final
@dataclass(frozen=True, slots=True)
class Key:
    """A registry, or a part of its repositories.

    Attributes:
        registry: The registry as references name it: ``docker.io``, ``registry.example:5000``.
        prefix: The beginning of the names of repositories, in whole parts; empty for all.
    """

    registry: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the registry that a user names to log in.

        Args:
            text: ``HOST[:PORT]``, with a prefix of repositories if need be. A URL is accepted, as
                in docker.

        Raises:
            InvalidReference: The text is not the name of a registry.
        """
        key = cls.of_entry(text)
        name = f"{key.registry}/{key.prefix or 'x'}"
        try:
            repository = Repository.parse(name)
        except StoreError:
            repository = None
        if repository is None or repository.domain != key.registry:
            raise InvalidReference(
                f"invalid registry name {printable(text[:_MAX_QUOTED])!r}",
                text=text,
                hint="expected HOST or HOST:PORT, for example docker.io or registry.example:5000",
            )
        return key

    @classmethod
    def of_entry(cls, text: str) -> Self:
        """Return the key that an entry of a file stands for, in whatever form it was written."""
        rest = text.strip()
        is_url = False
        for scheme in _SCHEMES:
            if rest.lower().startswith(scheme):
                rest, is_url = rest[len(scheme) :], True
        host, _, path = rest.partition("/")
        host, path = host.lower(), path.strip("/")
        if host in _DOCKER_HUB_HOSTS:
            host = DEFAULT_DOMAIN
        return cls(host, "" if is_url or path in _API_PATHS else path)

    @property
    def docker_spelling(self) -> str:
        """The key as docker writes it into its file, and gives it to a helper."""
        return DOCKER_HUB_URL if self == _DOCKER_HUB else str(self)

    @property
    def spellings(self) -> tuple[str, ...]:
        """The names under which helpers may know the registry, docker's first."""
        if self.registry == DEFAULT_DOMAIN:
            return (DOCKER_HUB_URL, DEFAULT_DOMAIN, f"index.{DEFAULT_DOMAIN}")
        return (self.registry, f"https://{self.registry}")

    def __str__(self) -> str:
        return f"{self.registry}/{self.prefix}" if self.prefix else self.registry


_DOCKER_HUB: Final = Key(DEFAULT_DOMAIN)


def keys_for(registry: str, repository: str) -> tuple[Key, ...]:
    """Return the keys that hold for a repository, the most specific first.

    Args:
        registry: The registry as references name it.
        repository: The path of the repository; empty for the registry alone.
    """
    host = Key.of_entry(registry).registry
    parts = repository.split("/") if repository else []
    return tuple(Key(host, "/".join(parts[:count])) for count in range(len(parts), -1, -1))
