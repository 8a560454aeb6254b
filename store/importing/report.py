"""The report of one import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from store.model.digests import Descriptor, Digest, ImageID
    from store.model.references import Reference


@final
@dataclass(frozen=True, slots=True)
class ImportedTag:
    """A tag that an archive set.

    Attributes:
        reference: The full name of the tag.
        image_id: The image that the tag names now; None for an artifact, and for an index without
            an image.
        replaced: The different image that the tag named before; None if there was none.
        manifest: The digest of the manifest or index; None if the archive has none for the image.
    """

    reference: Reference
    image_id: ImageID | None
    replaced: ImageID | None
    manifest: Digest | None = None


@final
@dataclass(frozen=True, slots=True)
class Inventory:
    """What an import brought, without referrers.

    Attributes:
        manifests: The manifests and indexes of the images, in the archive's order. An image without
            a manifest has the one that the store makes.
        new_blobs: The configs, layers and other blobs of the images that the store did not have.
        held_blobs: The blobs that the store had.
        tags: The names of the images, with the digests that they name now.
        moved_tags: Those of ``tags`` that named something else before, or nothing.
    """

    manifests: tuple[Descriptor, ...]
    new_blobs: tuple[Descriptor, ...]
    held_blobs: tuple[Descriptor, ...]
    tags: Mapping[Reference, Digest]
    moved_tags: tuple[Reference, ...]


@final
@dataclass(frozen=True, slots=True)
class ImportReport:
    """The result of one import, in the archive's order.

    Attributes:
        images: The images of the archive.
        tags: The tags that the import set.
        lines: The lines that Docker prints for the same archive.
        notes: Facts that the user should know and Docker does not report.
        changed: Whether the import changed the store.
        new_images: Images that the store did not have.
        new_layers: Layers that the store did not have.
        new_bytes: Size of the files that were added, in bytes.
        read_bytes: Decoded size of the staged layers and blobs, in bytes.
        inventory: The manifests and blobs; None if the options did not ask for them.
    """

    images: tuple[ImageID, ...]
    tags: tuple[ImportedTag, ...]
    lines: tuple[str, ...]
    notes: tuple[str, ...]
    changed: bool
    new_images: int
    new_layers: int
    new_bytes: int
    read_bytes: int
    inventory: Inventory | None = None
