"""The report of one import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from store.model.digests import Digest, ImageID
    from store.model.references import Reference


@final
@dataclass(frozen=True, slots=True)
class ImportedTag:
    """A tag an archive asked for, and what it names now.

    ``replaced`` is the image that had it before, when that was another one.

    ``image_id`` is None for an artifact, and for an index without an image for the default
    platform.
    """

    reference: Reference
    image_id: ImageID | None
    replaced: ImageID | None
    manifest: Digest | None = None


@final
@dataclass(frozen=True, slots=True)
class ImportReport:
    """What one import did, in the archive's order.

    ``lines`` are what Docker prints for the same archive. ``changed`` is False when everything the
    archive claims was already so.
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
