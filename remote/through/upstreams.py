"""The upstream registries of a mirror: which of them has a repository, and under which name."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, Self, final
from urllib.parse import SplitResult, urlsplit

from remote.configuration.pull_sources import RegistryBlocked, pull_sources
from remote.configuration.registries_conf import RegistriesConf
from remote.http.settings import RegistrySettings, SameSettings
from store.errors import InvalidInput, printable
from store.model.references import Reference, Repository

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator
    from datetime import timedelta

    from remote.auth.credentials import Credentials, CredentialSource
    from remote.http.settings import RegistrySettingsSource
    from store.model.digests import Digest

MAX_UPSTREAMS: Final = 256
"""The most upstream registries of one server."""

_HINT: Final = "expected NAME or NAME=URL, as in docker.io or ghcr.io=https://proxy.example/ghcr"


class NamePattern(Protocol):
    """A pattern of repository names."""

    def matches(self, name: str) -> bool:
        """Return whether a name of a repository, with its domain, matches."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Upstream:
    """A registry that has the images of a domain.

    Attributes:
        domain: The domain in the names of the images.
        registry: The host that is asked, with or without a port.
        prefix: What the path of each repository begins with there; empty, or without slashes at
            its ends.
        plain_http: Whether to use HTTP without TLS.
        has_url: Whether the registry was named apart from the domain. Then ``registries.conf`` does
            not name other places for it.
        allow: The repositories that are pulled through; empty for all.
        deny: The repositories that are not pulled through.
        immutable_tags: The tags that never move, so that a stored one is not asked for.
        max_age: How long a tag is answered without a request; None for that of the server.
        credentials: The credentials for this registry alone; None for those of the machine.
        settings: The certificates of this registry; None for those of the machine.
    """

    domain: str
    registry: str
    prefix: str = ""
    plain_http: bool = False
    has_url: bool = False
    allow: tuple[NamePattern, ...] = ()
    deny: tuple[NamePattern, ...] = ()
    immutable_tags: tuple[re.Pattern[str], ...] = ()
    max_age: timedelta | None = None
    credentials: CredentialSource | None = field(default=None, repr=False)
    settings: RegistrySettings | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``NAME`` or ``NAME=URL``.

        Args:
            text: The value of an option.

        Raises:
            InvalidInput: The text has another form.
        """
        domain, equals, url = text.partition("=")
        # A repository of the domain shows whether the domain is valid in names.
        if "/" in domain or Repository.parse(f"{domain}/name").domain != domain:
            raise _invalid(text, f"{printable(domain)!r} is not the name of a registry")
        if not equals:
            return cls(domain, domain)
        parts = _split(url, text)
        return cls(
            domain, parts.netloc, parts.path.strip("/"), parts.scheme == "http", has_url=True
        )

    def path(self, repository: Repository) -> str:
        """Return the path of a repository at this upstream.

        Args:
            repository: A repository of the domain.
        """
        return f"{self.prefix}/{repository.path}" if self.prefix else repository.path

    def has(self, repository: Repository) -> bool:
        """Return whether a repository of the domain is pulled through.

        Args:
            repository: A repository of the domain.
        """
        name = str(repository)
        if any(one.matches(name) for one in self.deny):
            return False
        return not self.allow or any(one.matches(name) for one in self.allow)

    def is_immutable(self, tag: str) -> bool:
        """Return whether a tag never moves."""
        return any(one.fullmatch(tag) for one in self.immutable_tags)


@final
@dataclass(frozen=True, slots=True)
class Place:
    """A repository of a registry that has the content of a repository of the mirror.

    Attributes:
        registry: The registry.
        path: The path of the repository there.
    """

    registry: str
    path: str


@final
class Upstreams:
    """All upstream registries of a server, one for each domain.

    Args:
        upstreams: The registries.
        conf: The settings of ``registries.conf``, which name mirrors of registries, and forbid
            others.

    Raises:
        InvalidInput: Two of them have the same domain, two of them have one registry with different
            settings, or there are too many.
    """

    def __init__(self, upstreams: Iterable[Upstream], conf: RegistriesConf | None = None) -> None:
        self._conf = conf or RegistriesConf()
        self._by_domain: dict[str, Upstream] = {}
        for one in upstreams:
            if one.domain in self._by_domain:
                raise InvalidInput(f"invalid upstreams: {one.domain} is given twice")
            self._by_domain[one.domain] = one
        if len(self._by_domain) > MAX_UPSTREAMS:
            raise InvalidInput(
                f"invalid upstreams: {len(self._by_domain)} are given, and the limit is"
                f" {MAX_UPSTREAMS}"
            )

    def __iter__(self) -> Iterator[Upstream]:
        """Return the registries, in the order in which they were given."""
        return iter(self._by_domain.values())

    def find(self, repository: Repository) -> Upstream | None:
        """Return the upstream that has the images of a repository; None if there is none.

        Args:
            repository: The repository, as clients name it.
        """
        upstream = self._by_domain.get(repository.domain)
        return upstream if upstream is not None and upstream.has(repository) else None

    def places(self, repository: Repository, digest: Digest | None = None) -> tuple[Place, ...]:
        """Return the places to ask for content of a repository, the first one first.

        Args:
            repository: The repository, as clients name it.
            digest: The digest that is asked for; None for a tag.

        Returns:
            The places; empty if the repository is not pulled through, or is blocked.

        Raises:
            InvalidInput: A location in ``registries.conf`` makes a name that is not valid.
        """
        upstream = self.find(repository)
        if upstream is None:
            return ()
        if upstream.has_url:
            return (Place(upstream.registry, upstream.path(repository)),)
        name = Reference(repository, None if digest is not None else "latest", digest)
        try:
            sources = pull_sources(self._conf, name)
        except RegistryBlocked:
            return ()
        return tuple(
            Place(one.reference.repository.domain, one.reference.repository.path) for one in sources
        )

    def settings(self, others: RegistrySettingsSource | None = None) -> RegistrySettingsSource:
        """Return the settings of all registries, in which those of upstreams win.

        Args:
            others: The settings from files; None for the defaults.

        Raises:
            InvalidInput: Two upstreams have one registry with different settings.
        """
        own: dict[str, RegistrySettings] = {}
        for one in self._by_domain.values():
            settings = one.settings or (
                RegistrySettings(plain_http=True) if one.plain_http else None
            )
            if settings is None:
                continue
            if own.setdefault(one.registry, settings) != settings:
                raise InvalidInput(
                    f"invalid upstreams: two have the registry {one.registry}, with"
                    " different certificates, or with and without TLS"
                )
        return _Settings(own, others or SameSettings())

    def credentials(self, others: CredentialSource) -> CredentialSource:
        """Return the credentials for all registries, in which those of upstreams win.

        Args:
            others: The credentials of the machine.
        """
        own = [one for one in self._by_domain.values() if one.credentials is not None]
        # The longest prefix decides where several upstreams have one registry.
        own.sort(key=lambda one: len(one.prefix), reverse=True)
        return _Credentials(tuple(own), others)


@final
@dataclass(frozen=True, slots=True)
class _Settings:
    own: dict[str, RegistrySettings]
    others: RegistrySettingsSource

    def settings_for(self, registry: str) -> RegistrySettings:
        """Return the settings of a registry."""
        return self.own.get(registry) or self.others.settings_for(registry)


@final
@dataclass(frozen=True, slots=True)
class _Credentials:
    own: tuple[Upstream, ...]
    others: CredentialSource

    def credentials_for(self, registry: str, repository: str) -> Credentials | None:
        """Return the credentials for a repository."""
        for one in self.own:
            is_below = not one.prefix or f"{repository}/".startswith(f"{one.prefix}/")
            if one.credentials is not None and one.registry == registry and is_below:
                return one.credentials.credentials_for(registry, repository)
        return self.others.credentials_for(registry, repository)


def _split(url: str, text: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise _invalid(text, "its URL is not valid") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _invalid(text, "its URL does not begin with https://HOST or http://HOST")
    if parts.username is not None or parts.query or parts.fragment:
        raise _invalid(text, "its URL has a user, a query or a fragment")
    if parts.path.strip("/"):
        Repository.parse(f"{parts.netloc}/{parts.path.strip('/')}/name")
    return parts


def _invalid(text: str, fact: str) -> InvalidInput:
    # The text may have a password.
    name = printable(text.partition("=")[0])
    return InvalidInput(f"invalid upstream {name!r}: {fact}", hint=_HINT)
