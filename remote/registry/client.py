"""The client of all registries: it owns the connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, final

from remote.auth.credentials import NoCredentials
from remote.http.settings import ClientSettings, SameSettings
from remote.http.transport import Transport
from remote.registry.host import Host
from remote.registry.repository import Repository
from remote.registry.values import ReachedRegistry

if TYPE_CHECKING:
    from remote.auth.credentials import CredentialSource
    from remote.http.settings import RegistrySettingsSource


@final
class RegistryClient:
    """A client of any number of registries; use it as an asynchronous context manager.

    All its methods belong to one event loop.

    Args:
        settings: The settings that hold for all registries.
        credentials: The places where credentials are kept.
        registries: The places where settings of single registries are kept.
    """

    def __init__(
        self,
        settings: ClientSettings | None = None,
        *,
        credentials: CredentialSource | None = None,
        registries: RegistrySettingsSource | None = None,
    ) -> None:
        self.transport = Transport(settings or ClientSettings())
        self._credentials = credentials or NoCredentials()
        self._registries = registries or SameSettings()
        self._hosts: dict[str, Host] = {}

    def repository(self, registry: str, name: str) -> Repository:
        """Return a repository. No request is sent.

        Args:
            registry: The registry as references name it: ``docker.io``, ``registry.example:5000``.
            name: The path of the repository, valid in a reference: ``library/debian``.

        Raises:
            InvalidReference: The name of the registry is not a host with or without a port.
        """
        return Repository(self.host(registry), name)

    def host(self, registry: str) -> Host:
        """Return a registry. No request is sent.

        Args:
            registry: The registry as references name it.

        Raises:
            InvalidReference: The name is not a host with or without a port.
        """
        host = self._hosts.get(registry)
        if host is None:
            settings = self._registries.settings_for(registry)
            reached = ReachedRegistry(registry, settings, self.transport)
            host = Host(reached, self._credentials)
            self._hosts[registry] = host
        return host

    async def ping(self, registry: str) -> None:
        """Ask whether a registry answers and accepts the credentials.

        Args:
            registry: The registry as references name it.

        Raises:
            AccessDenied: It does not accept them.
            RegistryError: It does not answer as a registry does.
        """
        await self.host(registry).ping()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self.transport.close()
