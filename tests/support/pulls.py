"""A registry with images, behind a proxy that injects faults, and pulls from it into a store."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self, final

import uvloop

from mirror.service import MirrorSettings
from remote.http.settings import ClientSettings, RegistrySettings, SameSettings, Timing
from remote.pulling.options import PullOptions
from remote.pulling.pull import Puller
from remote.pulling.report import FailedImage, PlannedImage, PulledImage
from remote.registry.client import RegistryClient
from remote.registry.event_loop import EventLoopThread
from store import Store
from store.model.references import Reference
from tests.support.faulty_registry import FaultyRegistry
from tests.support.mirror_in_process import InProcessMirror

if TYPE_CHECKING:
    from pathlib import Path

    from remote.pulling.report import PullOutcome
    from remote.registry.repository import Repository
    from store.model.progress import Progress
    from store.model.references import Repository as RepositoryName
    from tests.support.layouts import Layout


@final
class Upstream:
    """Our mirror of a store with images, behind a `FaultyRegistry`; use it as a context manager.

    Attributes:
        registry: The proxy, with the requests that came.
        store: The store that is served.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.store = self._stack.enter_context(Store.open(self._folder / "served", create=True))
        mirror = self._stack.enter_context(
            InProcessMirror(self.store, MirrorSettings(), uvloop.new_event_loop)
        )
        self.registry = self._stack.enter_context(FaultyRegistry(mirror.port))
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    def serve(self, layout: Layout) -> None:
        """Serve the images of a layout, which are named ``docker.io/team/app:1`` and so on."""
        self._count += 1
        path = self._folder / f"layout-{self._count}.tar"
        path.write_bytes(layout.tar())
        self.store.import_archive(path)

    def name(self, rest: str) -> Reference:
        """Return the name of an image in this registry.

        Args:
            rest: The repository with a tag or a digest: ``team/app:1``.
        """
        return Reference.parse(f"{self.registry.host}/{rest}").with_default_tag()


async def _no_pause(_seconds: float) -> None:
    await asyncio.sleep(0)


@final
class Pulls:
    """Pulls into one store, with a client that does not pause between retries.

    Args:
        store: The store.
        plain_http: Whether the registry has no TLS.
        settings: Settings of the client.
    """

    def __init__(
        self,
        store: Store,
        *,
        plain_http: bool = True,
        **settings: Any,  # noqa: ANN401 - of any setting
    ) -> None:
        self._plain_http = plain_http
        self.store = store
        self.mirrors: list[Reference] = []
        self.loop = EventLoopThread()
        self._settings = ClientSettings(timing=Timing(sleep=_no_pause), **settings)
        self._client = self.loop.run(self._connected())

    async def _connected(self) -> RegistryClient:
        return RegistryClient(
            self._settings, registries=SameSettings(RegistrySettings(plain_http=self._plain_http))
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.loop.run(self._client.close())
        self.loop.close()

    def repository(self, name: RepositoryName) -> Repository:
        """Return the remote repository of a name."""
        return self._client.repository(name.domain, name.path)

    def repositories(self, name: Reference) -> list[Repository]:
        """Return the repositories to ask for an image: that of its name, after the mirrors."""
        return [self.repository(one.repository) for one in (*self.mirrors, name)]

    def puller(
        self, options: PullOptions | None = None, progress: Progress | None = None
    ) -> Puller:
        """Return a puller with the default options or others."""
        return Puller(self.store, self.repositories, self.loop, options or PullOptions(), progress)

    def each(self, *names: Reference, options: PullOptions | None = None) -> list[PullOutcome]:
        """Pull images, and return what became of each."""
        return list(self.puller(options).pull(names))

    def pull(self, name: Reference, options: PullOptions | None = None) -> PulledImage:
        """Pull an image, which must succeed."""
        (outcome,) = self.each(name, options=options)
        if isinstance(outcome, FailedImage):
            raise outcome.error
        assert isinstance(outcome, PulledImage)
        return outcome

    def plan(self, name: Reference, options: PullOptions | None = None) -> PlannedImage:
        """Plan the pull of an image, which must succeed."""
        (outcome,) = self.puller(options).plan([name])
        if isinstance(outcome, FailedImage):
            raise outcome.error
        assert isinstance(outcome, PlannedImage)
        return outcome
