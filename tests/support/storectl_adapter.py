"""storectl as the comparisons with Docker see it: archives in, archives out, in this process and through the public doors."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self, final

import exporter
from store import Store
from store.errors import InvalidInput
from tests.support.archives import PLAIN, pack

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from store.model import ImportReport
    from tests.support.archives import PackedImage, Packing


@final
class Refused(Exception):
    """The archive, or the save, was refused; the message says why."""


@final
class Storectl:
    """A throw-away store."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._store = Store.open(root, create=True, clock=lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._store.close()

    def load(self, archive: bytes | Path) -> ImportReport:
        """Take in an archive: bytes as a pipe would bring them, a path as a file. Raises Refused."""
        try:
            return self._store.import_archive(io.BytesIO(archive) if isinstance(archive, bytes) else archive)
        except InvalidInput as exc:
            raise Refused(str(exc)) from exc

    def load_images(self, images: Sequence[PackedImage], packing: Packing = PLAIN) -> ImportReport:
        """`load` of an archive of ``images``. Raises Refused."""
        return self.load(pack(images, packing))

    def save(self, names: Sequence[str], archive_format: str = "legacy") -> bytes:
        """Save images by name or ID, in this order. Raises Refused."""
        out = io.BytesIO()
        try:
            with exporter.open_save(self._store, names, format=archive_format) as export:
                export.write(out)
        except InvalidInput as exc:
            raise Refused(str(exc)) from exc
        return out.getvalue()

    def image_id(self, name: str) -> str:
        """The ID of the image that ``name`` names, with its algorithm."""
        return str(self._store.inspect(name).image_id)

    def parent(self, name: str) -> str:
        """The ID of the image's parent; empty when it has none, as the engine puts it."""
        return str(self._store.inspect(name).parent or "")
