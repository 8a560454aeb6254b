"""An adapter for comparisons with Docker: loads and saves through storectl's public functions."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self, final

import exporter
from exporter.options import Format
from store import ImageFilter, Store
from store.errors import InvalidInput, StoreError
from tests.support.archives import PLAIN, pack
from tests.support.comparable_contents import ComparableImage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from store.importing.report import ImportReport
    from tests.support.archives import PackedImage, Packing


@final
class Refused(Exception):
    """storectl refused an import or a save; the message is storectl's."""


@final
class Storectl:
    """A store of storectl for one comparison."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._store = Store.open(
            root, create=True, clock=lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the store; it stays on disk."""
        self._store.close()

    def load(self, archive: bytes | Path) -> ImportReport:
        """Import an archive from a file, or from bytes as if they came through a pipe.

        Raises:
            Refused: storectl does not accept the archive.
        """
        try:
            return self._store.import_archive(
                io.BytesIO(archive) if isinstance(archive, bytes) else archive
            )
        except InvalidInput as exc:
            raise Refused(str(exc)) from exc

    def load_images(self, images: Sequence[PackedImage], packing: Packing = PLAIN) -> ImportReport:
        """Import an archive of ``images``; see `load` for the errors."""
        return self.load(pack(images, packing))

    def save(self, names: Sequence[str], archive_format: str = "legacy") -> bytes:
        """Return an archive of images, by name or ID and in this order.

        Raises:
            Refused: storectl cannot save the images.
        """
        out = io.BytesIO()
        try:
            with exporter.open_save(
                self._store,
                names,
                options=exporter.SaveOptions(exporter.Format.parse(archive_format)),
            ) as export:
                export.write(out)
        except StoreError as exc:
            raise Refused(str(exc)) from exc
        return out.getvalue()

    def save_layout(self, name: str, folder: Path) -> None:
        """Save an image as an OCI layout in a folder."""
        with exporter.open_save(
            self._store, [name], options=exporter.SaveOptions(Format.OCI)
        ) as export:
            export.write_folder(folder)

    def image_id(self, name: str) -> str:
        """Return the ID of the image that ``name`` refers to, including the algorithm."""
        return str(self._store.inspect(name).image_id)

    def parent(self, name: str) -> str:
        """Return the ID of the image's parent, or an empty text for an image without one."""
        return str(self._store.inspect(name).parent or "")

    def images(self) -> dict[str, ComparableImage]:
        """Return every image of the store by its ID."""
        listed = self._store.images(ImageFilter(include_intermediate=True))
        return {
            str(image.image_id): ComparableImage(
                str(image.image_id),
                tuple(sorted(tag.reference.familiar for tag in image.references)),
                str(image.parent or ""),
            )
            for image in listed
        }
