"""A store that exists only during a copy, for images in formats that only an import can read.

An archive of ``docker save`` has no manifests: an import makes the manifest that a save in the
format oci would have. Other archives may be compressed, and can only be read from start to end.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, final

from remote.copying.layout_target import LayoutTarget
from remote.copying.named_import import NamedImport
from remote.pushing.report import NoListener
from remote.pushing.stored_image import open_stored
from store import Store
from store.model.references import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from remote.pushing.choice import Choice
    from remote.pushing.image import SentImage
    from store.model.progress import Progress

NAME: Final = Reference.parse("localhost/copied:image")
"""The name of the image in the temporary store."""


@final
class TemporaryStore:
    """A store in a temporary folder. Use it as a context manager.

    Args:
        folder: Where to make the temporary folder; None for the usual place of the system.
        progress: Receives the progress of imports.
    """

    def __init__(self, progress: Progress, folder: Path | None = None) -> None:
        self._progress = progress
        self._folder = TemporaryDirectory(prefix="storectl-copy-", dir=folder)

    def __enter__(self) -> TemporaryStore:
        self._path = Path(self._folder.name)
        self.store = Store.open(self._path / "store", create=True, on_create=lambda _: None)
        return self

    def __exit__(self, *_exc: object) -> None:
        self.store.close()
        self._folder.cleanup()

    @property
    def importing(self) -> NamedImport:
        """The import of one image under `NAME`."""
        return NamedImport(self.store, NAME, self._progress)

    async def take(self, image: SentImage, *, jobs: int) -> Path:
        """Write an image of another place into a layout beside the store; return its folder.

        Args:
            image: The image.
            jobs: How many blobs are written at once.
        """
        folder = self._path / "layout"
        target = LayoutTarget(
            folder,
            "image",
            jobs=jobs,
            progress=self._progress,
            listener=NoListener(),
            wait_limit_s=0,
        )
        await target.receive(image)
        return folder

    @contextmanager
    def open(self, choice: Choice, *, name: str, jobs: int) -> Iterator[SentImage]:
        """Open the image that was imported.

        Args:
            choice: What of the image is sent.
            name: The name of the image at its source, for messages.
            jobs: How many blobs are read at once.
        """
        with open_stored(self.store, str(NAME), choice, jobs=jobs) as image:
            yield replace(image, name=name)
