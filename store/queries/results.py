"""Images and manifests as lists show them, and the filters of lists.

Other modules define the results of other queries, so that a list does not load them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from store.model.platforms import DEFAULT_CHOICE

if TYPE_CHECKING:
    from datetime import datetime

    from store.model.digests import Digest, ImageID
    from store.model.platforms import Platform, PlatformChoice
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
    """One image as lists show it.

    Attributes:
        image_id: The image's ID.
        references: The image's tags that pass the filters.
        digests: The digest references to the image that pass the filters: manifests that a
            repository holds without a tag.
        manifests: The manifests that describe the image.
        created: The creation time in the config; None if the config has none.
        platform: The platform in the config.
        size_bytes: The size of all uncompressed layers.
        parent: The image that this one was built on; None if it is unknown.
        dangling: Whether the image has no tag, no image is built on it, and it is not part of an
            index.
        intermediate: Whether the image has no tag, but an image is built on it or it is part of an
            index.
    """

    image_id: ImageID
    references: tuple[TaggedReference, ...]
    digests: tuple[Reference, ...]
    manifests: tuple[Digest, ...]
    created: datetime | None
    platform: Platform
    size_bytes: int
    parent: ImageID | None
    dangling: bool
    intermediate: bool


@final
@dataclass(frozen=True, slots=True)
class ManifestSummary:
    """An artifact, or an index without an image, as lists show it.

    Attributes:
        digest: The manifest's digest.
        references: The manifest's tags that pass the filters.
        digests: The digest references to the manifest.
        media_type: The manifest's media type.
        kind: ``manifest`` or ``index``.
        artifact_type: The type that an artifact states; empty if it states none.
        subject: The manifest that this one refers to; None if it refers to none.
        size_bytes: The size of all content that the manifest points to.
    """

    digest: Digest
    references: tuple[Reference, ...]
    digests: tuple[Reference, ...]
    media_type: str
    kind: str
    artifact_type: str | None
    subject: Digest | None
    size_bytes: int


@final
@dataclass(frozen=True, slots=True)
class ImageFilter:
    """The images to list, like docker's ``--filter``.

    An image passes if it matches any of ``references`` and all of ``labels``.

    Attributes:
        references: Shell patterns for names, in the form that docker shows.
        labels: ``key`` or ``key=value``.
        dangling: True to list only dangling images, False to leave them out, None to ignore whether
            images are dangling.
        before: The name or ID of an image; only older images pass.
        since: The name or ID of an image; only newer images pass.
        include_intermediate: Whether to list intermediate images.
        limit: The most images on a page; None for all.
        after: The last image or manifest of the previous page; None for the first page.
        choice: The image that the tag of an index stands for. If platforms are wanted, only images
            for these platforms pass.
        with_manifests: Whether `ImageSummary.manifests` is needed.
    """

    references: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    dangling: bool | None = None
    before: str | None = None
    since: str | None = None
    include_intermediate: bool = False
    limit: int | None = None
    after: str | None = None
    choice: PlatformChoice = DEFAULT_CHOICE
    with_manifests: bool = True
