"""Images and manifests as a list shows them, and what is asked of a list.

Apart from the other answers, so that a list waits for none of them.
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
    """A tag and the manifest it names."""

    reference: Reference
    manifest: Digest


@final
@dataclass(frozen=True, slots=True)
class ImageSummary:
    """One image as a list shows it.

    ``created`` is None when the config has no creation time; ``size_bytes`` sums the uncompressed
    layers. ``dangling``: no tag, and nothing is built on it; ``intermediate``: no tag, but another
    image is built on it, or it is one platform of an index.
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
    """A manifest or index that stands for no image, as a list shows it.

    ``size_bytes`` counts everything it points at.
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
    """Which images to list.

    Several values of one field are alternatives, but every label must be there (as docker's).

    ``labels`` are ``key`` or ``key=value``; ``references`` are shell patterns on familiar names;
    ``before`` and ``since`` name images. A page of the list has at most ``limit`` entries and
    begins behind ``after``, the last image (or manifest, by its digest) of the page before.
    """

    references: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    dangling: bool | None = None
    before: str | None = None
    since: str | None = None
    include_intermediate: bool = False
    limit: int | None = None
    after: str | None = None
