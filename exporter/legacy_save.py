"""The save in the format legacy: images without manifests, as Docker ≤ 24 writes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self, final

from exporter.options import Format
from exporter.planning import legacy
from exporter.planning.plan import PlannedSave
from exporter.selection.legacy_images import select

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy import Connection

    from exporter.options import SaveOptions
    from exporter.selection.document_reader import DocumentReader
    from exporter.selection.legacy_images import Selection
    from store.content.reader import Reader
    from store.model.digests import Digest, ImageID


@final
@dataclass(frozen=True, slots=True)
class LegacySave:
    """Selected images, to be saved in the format legacy."""

    selection: Selection

    @classmethod
    def select(
        cls,
        connection: Connection,
        names: Sequence[str],
        options: SaveOptions,
        reader: DocumentReader,
    ) -> Self:
        """Return the save of the images that ``names`` name.

        Args:
            connection: A read transaction.
            names: Tags, repositories, digests, image IDs and prefixes of image IDs.
            options: The platforms that select one image of each index.
            reader: Reads manifests, indexes and configs.

        Raises:
            ImageNotFound: No stored image has the ID or name.
            ReferenceNotFound: The store has no such tag or digest, or it names an artifact.
            AmbiguousName: A prefix fits several image IDs.
            InvalidReference: A name is not a valid reference.
            InvalidInput: An index has no image for the platform.
            TooLarge: The archive would exceed the ceilings of ``reader``.
        """
        return cls(select(connection, names, options, reader))

    def needs(self) -> set[Digest]:
        """Return the digests that must not be collected while the save runs."""
        return self.selection.needs()

    def decoded_manifests(self) -> list[Digest]:
        """Return the manifests whose layers are decoded: all that were named."""
        return [digest for image in self.selection.images for digest in image.manifests]

    def undecoded_manifests(self) -> dict[Digest, str]:
        """Return no manifests: the format legacy holds layers by their diff IDs."""
        return {}

    def decoded_images(self) -> list[ImageID]:
        """Return the images whose layers are decoded and that were named without a manifest."""
        return [image.image_id for image in self.selection.images if not image.manifests]

    def bytes_to_encode(self) -> int:
        """Return 0: the format legacy has plain layers only."""
        return 0

    def encoded(self, reader: Reader, folder: Path) -> Self:  # noqa: ARG002 - as `GraphSave`
        """Return the save itself: the format legacy has plain layers only."""
        return self

    def plan(self, connection: Connection, reader: DocumentReader) -> PlannedSave:  # noqa: ARG002 - as `GraphSave`
        """Plan the archive.

        Args:
            connection: A read transaction.
            reader: Reads manifests, indexes and configs.

        Raises:
            NothingToExport: An image has no layers.
            IncompleteImage: A layer is not in the store.
        """
        sources = self.selection.sources
        images = tuple(image.image_id for image in self.selection.images)
        return PlannedSave(
            Format.LEGACY,
            legacy.plan(self.selection, lambda digest: reader.image_config(sources[digest])),
            images,
            tuple(map(str, images)),
            tuple(sources.values()),
        )
