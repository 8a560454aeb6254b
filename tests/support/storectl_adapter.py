"""storectl as the comparisons with Docker see it: archives in, archives out, in this process and through the public doors."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self, final

import exporter
from exporter.options import Format
from store import ImageFilter, Store
from store.errors import InvalidInput, StoreError
from tests.support.archives import PLAIN, pack
from tests.support.comparable_contents import Held

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from store.importing.report import ImportReport
    from tests.support.archives import PackedImage, Packing


@final
class Refused(Exception):
    """The archive, or the save, was refused; the message says why."""


@final
class Storectl:
    """A throw-away store."""

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
        """Close it; it stays on disk."""
        self._store.close()

    def load(self, archive: bytes | Path) -> ImportReport:
        """Take in an archive: bytes as a pipe would bring them, a path as a file.

        Raises Refused.
        """
        try:
            return self._store.import_archive(
                io.BytesIO(archive) if isinstance(archive, bytes) else archive
            )
        except InvalidInput as exc:
            raise Refused(str(exc)) from exc

    def load_images(self, images: Sequence[PackedImage], packing: Packing = PLAIN) -> ImportReport:
        """`load` of an archive of ``images``. Raises Refused."""
        return self.load(pack(images, packing))

    def save(self, names: Sequence[str], archive_format: str = "legacy") -> bytes:
        """Save images by name or ID, in this order. Raises Refused."""
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
        """The ID of the image that ``name`` names, with its algorithm."""
        return str(self._store.inspect(name).image_id)

    def parent(self, name: str) -> str:
        """The ID of the image's parent; empty when it has none, as the engine puts it."""
        return str(self._store.inspect(name).parent or "")

    def held(self) -> dict[str, Held]:
        """Every image of the store, by its ID."""
        listed = self._store.images(ImageFilter(include_intermediate=True))
        return {
            str(one.image_id): Held(
                str(one.image_id),
                tuple(sorted(tag.reference.familiar for tag in one.references)),
                str(one.parent or ""),
            )
            for one in listed
        }
