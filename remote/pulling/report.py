"""What became of each image of a pull."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, final

if TYPE_CHECKING:
    from store.errors import StoreError
    from store.importing.report import ImportReport
    from store.model.digests import Descriptor, Digest
    from store.model.references import Reference


@final
@dataclass(frozen=True, slots=True)
class PulledImage:
    """An image that the store has now.

    Attributes:
        reference: The name that was asked for, with its default tag.
        digest: The digest of the manifest or index in the registry.
        media_type: Its media type.
        is_new: Whether the pull changed the store.
        fetched_bytes: The bytes of blobs that came from the registry.
        resumed_bytes: The bytes that an earlier, interrupted pull had left.
        fetched_blobs: The number of blobs of which bytes were fetched.
        present_blobs: The number of blobs that the store had already.
        report: What the import changed; None if there was nothing to import.
        notes: Facts that the user should know.
    """

    reference: Reference
    digest: Digest
    media_type: str
    is_new: bool
    fetched_bytes: int
    resumed_bytes: int
    fetched_blobs: int
    present_blobs: int
    report: ImportReport | None = None
    notes: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class PlannedImage:
    """An image that a pull would fetch.

    Attributes:
        reference: The name that was asked for, with its default tag.
        digest: The digest of the manifest or index in the registry.
        media_type: Its media type.
        is_new: Whether the pull would change the store.
        blobs: The blobs that would be fetched.
        fetched_bytes: The bytes that would be fetched, without those of an interrupted pull.
        resumed_bytes: The bytes that an earlier, interrupted pull has left.
        present_blobs: The number of blobs that the store has already.
        notes: Facts that the user should know.
    """

    reference: Reference
    digest: Digest
    media_type: str
    is_new: bool
    blobs: tuple[Descriptor, ...]
    fetched_bytes: int
    resumed_bytes: int
    present_blobs: int
    notes: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class FailedImage:
    """An image that could not be pulled; the store has no part of it.

    Attributes:
        reference: The name that was asked for, with its default tag.
        error: Why.
        kept_bytes: The bytes that were fetched and that the next pull does not fetch again.
    """

    reference: Reference
    error: StoreError
    kept_bytes: int = 0


PullOutcome: TypeAlias = PulledImage | PlannedImage | FailedImage
