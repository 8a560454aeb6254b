"""Syncs from a registry in this process into a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from remote.sync.files.recognition import read_sync_file
from remote.sync.options import SyncOptions
from remote.sync.run import StoreSync
from store.model.platforms import Platform
from tests.support import tars
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from remote.sync.report import SyncedImage
    from remote.sync.sources import SyncFile
    from tests.support.pulls import Pulls, Upstream

MACHINE = Platform.parse("linux/amd64")
RUN = "0123456789ab"


def read(text: str) -> SyncFile:
    """Return what a file lists."""
    return read_sync_file(text, "FILE", "test", Path("/folder"))


def serve(upstream: Upstream, repository: str, images: dict[str, str], **times: str) -> None:
    """Serve images with one small layer each.

    Args:
        upstream: The registry.
        repository: The repository: ``team/app``.
        images: The content of the layer of each tag.
        times: When the image of a content was created.
    """
    layout = Layout()
    for tag, content in images.items():
        layer = tars.member(b"file", content.encode()) + tars.END
        config = {"created": times[content]} if content in times else None
        layout.root(layout.image(gzip(layer), config=config), f"docker.io/{repository}:{tag}")
    upstream.serve(layout)


@final
class Syncs:
    """Syncs into one store.

    Args:
        pulls: The client.
        upstream: The registry; ``HOST`` in a file stands for it.
    """

    def __init__(self, pulls: Pulls, upstream: Upstream) -> None:
        self.pulls = pulls
        self.upstream = upstream

    def run(self, text: str, **options: Any) -> list[SyncedImage]:  # noqa: ANN401 - of any option
        """Sync a file, and return what became of each image."""
        file = read(text.replace("HOST", self.upstream.registry.host))
        made = SyncOptions(**{"run": RUN, "machine": MACHINE, **options})
        sync = StoreSync(
            self.pulls.store, lambda _access: self.pulls.repositories, self.pulls.loop, made
        )
        return list(sync.run(file))

    def became(self, text: str, **options: Any) -> dict[str, str]:  # noqa: ANN401 - as `run`
        """Return the status of each image, by its tag or repository."""
        return {
            one.origin.tag or one.origin.repository.path: one.became.value
            for one in self.run(text, **options)
        }

    def requests(self) -> list[str]:
        """Return the method and the last part of each request since the last call."""
        seen = [
            f"{one.method} {one.target.rpartition('/')[2]}"
            for one in self.upstream.registry.requests()
        ]
        self.upstream.registry.clear()
        return seen
