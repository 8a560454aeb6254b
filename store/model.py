"""What the store answers: frozen values, with no way back into the database."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from store.documents import ImageConfig
    from store.listing import ManifestSummary, TaggedReference
    from store.references import Reference
    from store.values import ChainID, DiffID, Digest, ImageID


class ContentState(StrEnum):
    """Whether the bytes behind a digest can be had."""

    PRESENT = "present"
    ABSENT = "absent"
    DAMAGED = "damaged"


class DiffState(StrEnum):
    """Whether the layers of an image were seen to have its diff IDs."""

    VERIFIED = "verified"
    UNVERIFIED = "unverified"
    MISMATCH = "mismatch"


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
class StoredEncoding:
    """One file or document from which a diff can be had."""

    digest: Digest
    codec: str
    size_bytes: int
    seekable: bool


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
class ImportedTag:
    """A tag an archive asked for, and what it names now. ``replaced`` is the image that had it before, when that was another one.

    ``image_id`` is None for an artifact, and for an index without an image for the default platform.
    """

    reference: Reference
    image_id: ImageID | None
    replaced: ImageID | None
    manifest: Digest | None = None


@final
@dataclass(frozen=True, slots=True)
class ImportReport:
    """What one import did, in the archive's order.

    ``lines`` are what Docker prints for the same archive. ``changed`` is False when everything the archive claims was already so.
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


class Progress(Protocol):
    """Where a long operation tells how far it is. Sizes are bytes; ``total`` is None when it is not known. Called from several threads."""

    def total(self, size_bytes: int | None) -> None:
        """The whole operation will pass this many bytes."""

    def start(self, key: str, label: str, size_bytes: int | None) -> None:
        """A part begins."""

    def advance(self, key: str, size_bytes: int) -> None:
        """The part went on by this much."""

    def finish(self, key: str) -> None:
        """The part is done."""


@final
class Silent:
    """A `Progress` that says nothing."""

    def total(self, size_bytes: int | None) -> None:
        """See `Progress`."""

    def start(self, key: str, label: str, size_bytes: int | None) -> None:
        """See `Progress`."""

    def advance(self, key: str, size_bytes: int) -> None:
        """See `Progress`."""

    def finish(self, key: str) -> None:
        """See `Progress`."""


@final
@dataclass(frozen=True, slots=True)
class Event:
    """Who did what to which image: import, save, tag, untag, delete, gc…."""

    at: datetime
    action: str
    target: str
    attributes: Mapping[str, str] = field(default_factory=dict)


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
