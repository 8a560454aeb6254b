"""What deliveries report: the state of a repository before one, and what was sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, Self, final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from remote.pushing.shipment import Shipment
    from store.formats.image.manifests import Document
    from store.model.digests import Descriptor, Digest


class Outcome(StrEnum):
    """How a repository came to have a blob."""

    HELD = "held"
    """The repository had it before."""

    MOUNTED = "mounted"
    """The registry took it from another of its repositories."""

    SENT = "sent"
    """Its bytes were sent."""


class Listener(Protocol):
    """A receiver of reports about single blobs and tags."""

    def blob(self, blob: Descriptor, outcome: Outcome, origin: str = "") -> None:
        """Report that a repository has a blob.

        Args:
            blob: The blob.
            outcome: How the repository came to have it.
            origin: The repository from which it was mounted; empty if it was not mounted.
        """

    def tag(self, tag: str, document: Document) -> None:
        """Report that a tag of a repository names a document.

        Args:
            tag: The tag.
            document: The manifest or index.
        """


@final
class NoListener:
    """A `Listener` that ignores all reports."""

    def blob(self, blob: Descriptor, outcome: Outcome, origin: str = "") -> None:
        """Ignore the report."""

    def tag(self, tag: str, document: Document) -> None:
        """Ignore the report."""


@final
@dataclass(frozen=True, slots=True)
class Survey:
    """What a repository lacks of a shipment.

    Attributes:
        missing: The blobs that the repository does not hold.
        held: The blobs that it holds.
        absent: The digests of the documents that it does not have. Documents that are sent by
            their tag alone were not asked for.
        moved_tags: The tags that do not name their document yet.
        tags: The document that each tag is to name.
        notes: Notes for the user, one sentence each.
    """

    missing: tuple[Descriptor, ...]
    held: tuple[Descriptor, ...]
    absent: frozenset[Digest]
    moved_tags: tuple[str, ...]
    tags: Mapping[str, Document] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def of_everything(cls, shipment: Shipment, tags: Mapping[str, Document]) -> Self:
        """Return the survey of a place that gets the whole shipment, whatever it has.

        Args:
            shipment: The content to send.
            tags: The document that each tag is to name.
        """
        return cls(
            tuple(shipment.blobs.values()),
            (),
            frozenset(one.digest for one in shipment.documents),
            tuple(tags),
            tags,
            shipment.notes,
        )

    @property
    def missing_bytes(self) -> int:
        """The size of all blobs that the repository does not hold."""
        return sum(blob.size_bytes for blob in self.missing)

    @property
    def is_complete(self) -> bool:
        """Whether the repository lacks nothing."""
        return not (self.missing or self.absent or self.moved_tags)


@final
@dataclass(slots=True)
class Delivered:
    """What a delivery has done.

    Attributes:
        held: The blobs that the repository held before.
        sent: The blobs whose bytes were sent.
        mounted: The blobs that were mounted, with the repository that each came from.
        documents: The documents that the repository did not have.
        tags: The document that each tag names now.
        moved_tags: The tags that were set or moved.
        listed: The manifests whose referrers were added to a list in a tag.
        notes: Notes for the user, one sentence each.
    """

    held: tuple[Descriptor, ...] = ()
    sent: list[Descriptor] = field(default_factory=list)
    mounted: dict[Descriptor, str] = field(default_factory=dict)
    documents: list[Document] = field(default_factory=list)
    tags: dict[str, Document] = field(default_factory=dict)
    moved_tags: list[str] = field(default_factory=list)
    listed: tuple[Digest, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def sent_bytes(self) -> int:
        """The size of all blobs that were sent."""
        return sum(blob.size_bytes for blob in self.sent)
