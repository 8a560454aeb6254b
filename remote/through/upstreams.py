"""The upstream registries of a mirror: which of them has a repository, and under which name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self, final
from urllib.parse import SplitResult, urlsplit

from remote.http.settings import RegistrySettings, SameSettings
from store.errors import InvalidInput, printable
from store.model.references import Repository

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from remote.http.settings import RegistrySettingsSource

MAX_UPSTREAMS: Final = 256
"""The most upstream registries of one server."""

_HINT: Final = "expected NAME or NAME=URL, as in docker.io or ghcr.io=https://proxy.example/ghcr"


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
    """

    domain: str
    registry: str
    prefix: str = ""
    plain_http: bool = False

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
        return cls(domain, parts.netloc, parts.path.strip("/"), parts.scheme == "http")

    def path(self, repository: Repository) -> str:
        """Return the path of a repository at this upstream.

        Args:
            repository: A repository of the domain.
        """
        return f"{self.prefix}/{repository.path}" if self.prefix else repository.path


@final
class Upstreams:
    """All upstream registries of a server, one for each domain.

    Args:
        upstreams: The registries.

    Raises:
        InvalidInput: Two of them have the same domain, or there are too many.
    """

    def __init__(self, upstreams: Iterable[Upstream]) -> None:
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
        return self._by_domain.get(repository.domain)

    def settings(self, others: RegistrySettingsSource | None = None) -> RegistrySettingsSource:
        """Return the settings of all registries, in which the URLs of upstreams win.

        Args:
            others: The settings from files; None for the defaults.
        """
        plain = frozenset(one.registry for one in self._by_domain.values() if one.plain_http)
        return _Settings(plain, others or SameSettings())


@final
@dataclass(frozen=True, slots=True)
class _Settings:
    plain: frozenset[str]
    others: RegistrySettingsSource

    def settings_for(self, registry: str) -> RegistrySettings:
        """Return the settings of a registry."""
        if registry in self.plain:
            return RegistrySettings(plain_http=True)
        return self.others.settings_for(registry)


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
