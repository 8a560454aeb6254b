"""What the store answers when it is asked about everything: images in detail, what lies on disk, what was removed, what is damaged.

Frozen values, as in `store.model.contents`; apart from it because a dataclass takes nearly a millisecond to make, and imports and saves need none of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from store.formats.image.config import ImageConfig
    from store.model.contents import ContentState, StoredEncoding
    from store.model.digests import ChainID, DiffID, Digest, ImageID
    from store.model.references import Reference
    from store.queries.results import ManifestSummary, TaggedReference


@final
@dataclass(frozen=True, slots=True)
class LinkDetails:
    """What a manifest or index points at."""

    digest: Digest
    role: str
    media_type: str
    size_bytes: int
    state: ContentState
    platform: Mapping[str, object]


@final
@dataclass(frozen=True, slots=True)
class ManifestContents:
    """Everything known about a manifest or index that stands for no image."""

    summary: ManifestSummary
    links: tuple[LinkDetails, ...]
    referrers: tuple[Digest, ...]


@final
@dataclass(frozen=True, slots=True)
class LayerDetails:
    """One layer of an image, base first."""

    diff_id: DiffID
    chain_id: ChainID
    size_bytes: int
    state: ContentState
    encodings: tuple[StoredEncoding, ...]
    urls: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True)
class ManifestDetails:
    """A manifest that describes an image."""

    digest: Digest
    media_type: str
    size_bytes: int
    deterministic: bool


@final
@dataclass(frozen=True, slots=True)
class ImageDetails:
    """Everything known about one image."""

    image_id: ImageID
    config: ImageConfig
    references: tuple[TaggedReference, ...]
    manifests: tuple[ManifestDetails, ...]
    layers: tuple[LayerDetails, ...]
    parent: ImageID | None
    children: tuple[ImageID, ...]
    last_tagged: datetime | None

    @property
    def size_bytes(self) -> int:
        """The uncompressed layers together."""
        return sum(layer.size_bytes for layer in self.layers)


@final
@dataclass(frozen=True, slots=True)
class RemovedName:
    """One line of a removal: a tag that went (``untagged``) or an image that went with its last name (``deleted``)."""

    kind: str
    name: str


@final
@dataclass(frozen=True, slots=True)
class UsageRow:
    """One line of ``df``. ``active``: images with a tag, or the layers of these; ``reclaimable_bytes``: what would be free without all others."""

    kind: str
    count: int
    active: int
    size_bytes: int
    reclaimable_bytes: int


@final
@dataclass(frozen=True, slots=True)
class ImageUsage:
    """One image's part of the store: its layers uncompressed, the part no other image uses, and the part others share."""

    image_id: ImageID
    references: tuple[Reference, ...]
    size_bytes: int
    shared_bytes: int
    unique_bytes: int
    created: datetime | None


@final
@dataclass(frozen=True, slots=True)
class Usage:
    """The whole of ``df``: rows for images, layers and blobs; ``on_disk_bytes`` counts files and the database."""

    rows: tuple[UsageRow, ...]
    images: tuple[ImageUsage, ...]
    on_disk_bytes: int
    database_bytes: int


@final
@dataclass(frozen=True, slots=True)
class CollectionReport:
    """What ``gc`` removed, or would remove."""

    images: tuple[ImageID, ...]
    manifests: int
    layers: int
    blobs: tuple[Digest, ...]
    freed_bytes: int
    orphan_files: int
    dead_operations: int
    dry_run: bool


class Severity(StrEnum):
    """How bad a finding of ``fsck`` is."""

    ERROR = "error"
    WARNING = "warning"


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """One thing ``fsck`` found: what kind, where, which images it affects and what to do."""

    severity: Severity
    kind: str
    subject: str
    message: str
    images: tuple[str, ...] = ()
    hint: str | None = None
