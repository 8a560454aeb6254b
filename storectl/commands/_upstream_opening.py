"""The upstream registries of a running server, and their change when its settings file changes."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator
    from datetime import timedelta

    from remote.auth.credentials import CredentialSource
    from remote.http.settings import ClientSettings, RegistrySettingsSource
    from remote.registry.client import RegistryClient
    from remote.through.cache import PullThrough
    from remote.through.upstreams import Upstreams
    from store import Store


@final
@dataclass(frozen=True, slots=True)
class Configuration:
    """Upstream registries and how they are reached.

    Attributes:
        upstreams: The registries.
        client: The settings of the client.
        credentials: The credentials for all registries.
        registries: The settings of all registries.
        max_age: How long a tag is answered without a request.
    """

    upstreams: Upstreams
    client: ClientSettings
    credentials: CredentialSource
    registries: RegistrySettingsSource
    max_age: timedelta

    def connect(self) -> RegistryClient:
        """Return a new client."""
        from remote.registry.client import RegistryClient  # noqa: PLC0415 - `--help` without

        return RegistryClient(self.client, credentials=self.credentials, registries=self.registries)


@final
class UpstreamOpening:
    """Opens the upstream registries of a server, and changes them while it runs."""

    def __init__(self) -> None:
        self._configuration: Configuration | None = None
        self._running: tuple[asyncio.AbstractEventLoop, PullThrough] | None = None

    @asynccontextmanager
    async def opened(self, store: Store) -> AsyncIterator[PullThrough]:
        """Open the registries for a store, and close them at the end of the block.

        Call `change` first.

        Args:
            store: The opened store.
        """
        import asyncio  # noqa: PLC0415 - `--help` without

        from remote.through.cache import PullThrough  # noqa: PLC0415
        from remote.through.tag_rows import TagRows  # noqa: PLC0415

        one = self._configuration
        assert one is not None  # noqa: S101 - `change` was called
        through = PullThrough(
            store, one.upstreams, one.connect(), TagRows(store), max_age=one.max_age, now=store.now
        )
        self._running = asyncio.get_running_loop(), through
        try:
            yield through
        finally:
            self._running = None
            await through.close()

    def change(self, configuration: Configuration) -> None:
        """Use other registries from now on. Any thread may call this.

        Args:
            configuration: The registries.
        """
        self._configuration = configuration
        if self._running is None:
            return
        loop, through = self._running

        def use() -> None:
            through.use(
                configuration.upstreams, configuration.connect(), max_age=configuration.max_age
            )

        # The server may be stopping.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(use)
