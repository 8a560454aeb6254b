"""The registry client in tests: run against a port, with a clock that does not wait."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

from remote.http.settings import ClientSettings, RegistrySettings, SameSettings, Timing
from remote.registry.client import RegistryClient
from store.model.digests import Descriptor, Digest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from remote.auth.credentials import Credentials
    from remote.registry.repository import Repository

Result = TypeVar("Result")

NAME: Final = "team/app"
PLAIN: Final = RegistrySettings(plain_http=True)


@final
@dataclass
class Pauses:
    """A clock whose pauses are short; ``slept`` has their full seconds."""

    slept: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(min(seconds, 0.02))

    @property
    def timing(self) -> Timing:
        return Timing(sleep=self.sleep, jitter=lambda: 1.0, now=lambda: 1_800_000_000.0)


@final
@dataclass
class Keyring:
    """Credentials for every repository; ``asked`` has the look-ups."""

    credentials: Credentials | None = None
    asked: list[tuple[str, str]] = field(default_factory=list)

    def credentials_for(self, registry: str, repository: str) -> Credentials | None:
        self.asked.append((registry, repository))
        return self.credentials


def use(
    host: str,
    action: Callable[[Repository], Awaitable[Result]],
    *,
    name: str = NAME,
    pauses: Pauses | None = None,
    keyring: Keyring | None = None,
    registry: RegistrySettings = PLAIN,
    **settings: Any,  # noqa: ANN401 - fields of ClientSettings
) -> Result:
    """Run ``action`` with a repository of the registry ``host``, and return its result."""

    async def run(client: RegistryClient) -> Result:
        return await action(client.repository(host, name))

    return with_client(run, pauses=pauses, keyring=keyring, registry=registry, **settings)


def with_client(
    action: Callable[[RegistryClient], Awaitable[Result]],
    *,
    pauses: Pauses | None = None,
    keyring: Keyring | None = None,
    registry: RegistrySettings = PLAIN,
    **settings: Any,  # noqa: ANN401 - fields of ClientSettings
) -> Result:
    """Run ``action`` with a client, and return its result."""
    made = replace(ClientSettings(timing=(pauses or Pauses()).timing), **settings)

    async def run() -> Result:
        async with RegistryClient(
            made, credentials=keyring, registries=SameSettings(registry)
        ) as client:
            return await action(client)

    return asyncio.run(run())


def blob(data: bytes) -> Descriptor:
    """Return the descriptor of a blob."""
    return Descriptor("application/octet-stream", Digest.of(data), len(data))


def parts(data: bytes, size: int = 64 * 1024) -> Callable[[int], AsyncIterator[bytes]]:
    """Return the source of an upload."""

    async def chunks(offset: int) -> AsyncIterator[bytes]:
        for start in range(offset, len(data), size):
            yield data[start : start + size]

    return chunks


async def read(repository: Repository, data: bytes, offset: int = 0) -> tuple[int, bytes]:
    """Read the blob with the content ``data`` from an offset; return the start and the bytes."""
    async with repository.open_blob(blob(data), offset=offset) as body:
        return body.start, b"".join([piece async for piece in body])
