"""What the store answers: frozen values, with no way back into the database."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from store.model.digests import Digest, ImageID
    from store.model.references import Reference


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
class StoredEncoding:
    """One file or document from which a diff can be had."""

    digest: Digest
    codec: str
    size_bytes: int
    seekable: bool


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
