"""Another registry for the client: a mirror in this process with a store of its own."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self, TypeVar, final

import uvloop

from mirror.service import MirrorSettings
from remote.registry.client import RegistryClient
from remote.registry.event_loop import EventLoopThread
from store import Store
from store.model.digests import Digest
from tests.support.mirror_in_process import InProcessMirror

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from remote.registry.repository import Repository
    from tests.support.mirror_in_process import Answer

    T = TypeVar("T")


@final
class OtherRegistry:
    """A running registry and a client; use it as a context manager.

    Attributes:
        store: The registry's own store.
        host: The registry, as references name it.
        ask: Sends a request without the client.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.store = self._stack.enter_context(Store.open(self._folder, create=True))
        self.ask = self._stack.enter_context(
            InProcessMirror(self.store, MirrorSettings(), uvloop.new_event_loop)
        )
        self.host = f"127.0.0.1:{self.ask.port}"
        self._loop = self._stack.enter_context(EventLoopThread())
        self._client = self._loop.run(_client())
        self._stack.callback(lambda: self._loop.run(self._client.close()))
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    def repository(self, name: str) -> Repository:
        """Return a repository of the registry."""
        return self._client.repository(self.host, name)

    def run(self, work: Callable[[], Coroutine[object, object, T]]) -> T:
        """Run a coroutine in the event loop of the client."""
        return self._loop.run(work())

    def digest(self, repository: str, reference: str) -> str | None:
        """Return the digest of a manifest in the registry; None if it is not there."""
        answer = self.manifest(repository, reference)
        return str(Digest.of(answer.body)) if answer.status == 200 else None

    def manifest(self, repository: str, reference: str) -> Answer:
        """Return the answer to a request for a manifest."""
        return self.ask(
            "GET",
            f"/v2/{repository}/manifests/{reference}",
            Accept="application/vnd.oci.image.index.v1+json,"
            " application/vnd.oci.image.manifest.v1+json",
        )


async def _client() -> RegistryClient:
    return RegistryClient()
