"""What became of each image of a sync."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, final

from remote.errors import BudgetReached

if TYPE_CHECKING:
    from store.errors import StoreError
    from store.model.digests import Digest
    from store.model.references import Reference


class Became(StrEnum):
    """What became of an image; in a plan, what would."""

    PULLED = "pulled"
    """It was fetched: its tag is new, or moved, or lacked parts."""

    SENT = "sent"
    """It was sent to another registry."""

    UNCHANGED = "unchanged"
    """The registry was asked, and nothing is new."""

    FRESH = "fresh"
    """The registry was asked a short time ago."""

    IMMUTABLE = "immutable"
    """The tag never moves, and the image is here."""

    UNSIGNED = "unsigned"
    """It has no signature, and the file asks for one."""

    REMOVED = "removed"
    """The tag is no longer listed, and was removed."""

    LEFT = "left"
    """It is left for the next run, because its registry takes few more requests for now."""

    FAILED = "failed"
    """It could not be fetched or listed. The store keeps the old image."""


def failure(error: StoreError) -> Became:
    """Return what an image became because of an error."""
    return Became.LEFT if isinstance(error, BudgetReached) else Became.FAILED


@final
@dataclass(frozen=True, slots=True)
class SyncedImage:
    """What became of one image, or of a repository whose tags could not be listed.

    Attributes:
        became: What became of it.
        origin: The name in the registry; without a tag for a repository.
        target: The name at the destination.
        place: The destination: the name of a repository, after ``docker://`` if in a registry.
        before: The digest that the target had before; None for none.
        digest: The digest that it has now; None if it has none, or the image failed.
        fetched_blobs: The number of blobs that were fetched or sent.
        fetched_bytes: Their size in bytes.
        present_blobs: The number of blobs that were there already.
        notes: Facts that the user should know, one sentence each.
        error: Why it failed, or is left for the next run.
    """

    became: Became
    origin: Reference
    target: Reference
    place: str
    before: Digest | None = None
    digest: Digest | None = None
    fetched_blobs: int = 0
    fetched_bytes: int = 0
    present_blobs: int = 0
    notes: tuple[str, ...] = ()
    error: StoreError | None = None
