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
        size_bytes: Its size.
        is_new: Whether the pull changed the store.
        blobs: The blobs that the store lacked before.
        held: The blobs that the store had already.
        fetched_bytes: The bytes of blobs that came from the registry.
        resumed_bytes: The bytes that an earlier, interrupted pull had left.
        fetched_blobs: The number of blobs of which bytes were fetched.
        report: What the import changed; None if there was nothing to import.
        notes: Facts that the user should know.
        etag: The entity tag of the answer to a request for the tag; empty if there was none.
    """

    reference: Reference
    digest: Digest
    media_type: str
    size_bytes: int
    is_new: bool
    blobs: tuple[Descriptor, ...]
    held: tuple[Descriptor, ...]
    fetched_bytes: int
    resumed_bytes: int
    fetched_blobs: int
    report: ImportReport | None = None
    notes: tuple[str, ...] = ()
    etag: str = ""

    @property
    def present_blobs(self) -> int:
        """The number of blobs that the store had already."""
        return len(self.held)


@final
@dataclass(frozen=True, slots=True)
class PlannedImage:
    """An image that a pull would fetch.

    Attributes:
        reference: The name that was asked for, with its default tag.
        digest: The digest of the manifest or index in the registry.
        media_type: Its media type.
        size_bytes: Its size.
        is_new: Whether the pull would change the store.
        blobs: The blobs that would be fetched.
        held: The blobs that the store has already.
        fetched_bytes: The bytes that would be fetched, without those of an interrupted pull.
        resumed_bytes: The bytes that an earlier, interrupted pull has left.
        notes: Facts that the user should know.
    """

    reference: Reference
    digest: Digest
    media_type: str
    size_bytes: int
    is_new: bool
    blobs: tuple[Descriptor, ...]
    held: tuple[Descriptor, ...]
    fetched_bytes: int
    resumed_bytes: int
    notes: tuple[str, ...] = ()

    @property
    def present_blobs(self) -> int:
        """The number of blobs that the store has already."""
        return len(self.held)


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
