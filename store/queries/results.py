"""Images and manifests as a list shows them, and the filters of a list.

The results of other questions are in other modules, so that a list does not import them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from datetime import datetime

    from store.model.digests import Digest, ImageID
    from store.model.references import Reference


@final
@dataclass(frozen=True, slots=True)
class TaggedReference:
    """A tag, and the digest of the manifest that it names."""

    reference: Reference
    manifest: Digest


@final
@dataclass(frozen=True, slots=True)
class ImageSummary:
    """One image as a list shows it.

    Attributes:
        image_id: The image's ID.
        references: The image's tags that pass the filters.
        manifests: The manifests that describe the image.
        created: The creation time in the config; None if it has none.
        size_bytes: The size of all uncompressed layers.
        parent: The image that this one was built on, if it is known.
        dangling: Whether the image has no tag, and no image is built on it.
        intermediate: Whether the image has no tag, but an image is built on it or it is one
            platform of an index.
    """

    image_id: ImageID
    references: tuple[TaggedReference, ...]
    manifests: tuple[Digest, ...]
    created: datetime | None
    size_bytes: int
    parent: ImageID | None
    dangling: bool
    intermediate: bool


@final
@dataclass(frozen=True, slots=True)
class ManifestSummary:
    """An artifact, or an index without an image for the default platform, as a list shows it.

    Attributes:
        digest: The manifest's digest.
        references: The manifest's tags that pass the filters.
        media_type: The manifest's media type.
        kind: ``manifest`` or ``index``.
        artifact_type: The type of an artifact, if it states one.
        subject: The manifest that this one refers to, if any.
        size_bytes: The size of everything that it points to.
    """

    digest: Digest
    references: tuple[Reference, ...]
    media_type: str
    kind: str
    artifact_type: str | None
    subject: Digest | None
    size_bytes: int


@final
@dataclass(frozen=True, slots=True)
class ImageFilter:
    """Which images to list, as for docker's ``--filter``.

    Several values of ``references`` are alternatives; an image needs every one of ``labels``.

    Attributes:
        references: Shell patterns for names as docker shows them.
        labels: ``key`` or ``key=value``.
        dangling: Whether to list only dangling images (True) or none (False); None for both.
        before: An image; only older images pass.
        since: An image; only newer images pass.
        include_intermediate: Whether to list intermediate images.
        limit: The largest number of images on a page; None for all.
        after: The last image or manifest of the page before; None for the first page.
    """

    references: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    dangling: bool | None = None
    before: str | None = None
    since: str | None = None
    include_intermediate: bool = False
    limit: int | None = None
    after: str | None = None
