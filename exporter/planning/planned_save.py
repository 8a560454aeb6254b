"""The result of planning a save: the archive's plan, and the images and contents in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from exporter.options import Format
    from exporter.planning.plan import Plan
    from exporter.selection.graph import SavedGraph
    from store.model.contents import Sources
    from store.model.digests import ImageID


@final
@dataclass(frozen=True, slots=True)
class PlannedSave:
    """A planned archive and its contents.

    Attributes:
        format: The archive's format.
        plan: The entries of the archive.
        images: The images in the archive, in order, without repeats.
        targets: The image ID or digest of each saved root, as the store's events record it.
        contents: Every stored content in the archive, documents among them.
        graph: The manifests in the archive and everything below them, or None for the format
            legacy, which has no manifests.
    """

    format: Format
    plan: Plan
    images: tuple[ImageID, ...]
    targets: tuple[str, ...]
    contents: tuple[Sources, ...]
    graph: SavedGraph | None = None
