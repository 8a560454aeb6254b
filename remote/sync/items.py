"""The images of a sync, and the pure decision of what each of them needs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, final

from store.catalog.upstream.synced_tags import SyncedName
from store.model.references import Reference

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from remote.sync.sources import Parts, Source
    from store.catalog.upstream.synced_tags import SyncedTag
    from store.model.digests import Digest


@final
@dataclass(frozen=True, slots=True)
class Item:
    """One image that a sync keeps.

    Attributes:
        source: The source that lists it.
        parts: What of it is taken.
        origin: Its name in the registry, with a tag or a digest.
        target: The name that it gets.
    """

    source: Source
    parts: Parts
    origin: Reference
    target: Reference

    @classmethod
    def of_tag(cls, source: Source, parts: Parts, tag: str) -> Item:
        """Return the image of a tag."""
        name = tag if source.renamed is None else source.renamed
        return cls(
            source,
            parts,
            Reference(source.repository, tag),
            Reference(source.place.repository, name),
        )

    @classmethod
    def of_digest(cls, source: Source, parts: Parts, digest: Digest) -> Item:
        """Return the image of a digest, which gets a tag only if the source names one."""
        place = source.place.repository
        return cls(
            source,
            parts,
            Reference(source.repository, digest=digest),
            Reference(place, digest=digest)
            if source.renamed is None
            else Reference(place, source.renamed),
        )

    @property
    def key(self) -> SyncedName:
        """The name under which the sync remembers it."""
        return SyncedName(str(self.source.place), self.target.tag or "")

    @property
    def is_immutable(self) -> bool:
        """Whether its tag never moves."""
        return self.origin.tag is not None and self.source.immutable.match(self.origin.tag)


class Step(Enum):
    """What an image needs."""

    IMMUTABLE = auto()
    """Nothing: it is here, and its tag never moves."""

    FRESH = auto()
    """Nothing: it is here, and was checked a short time ago."""

    CHECK = auto()
    """A question to the registry: what does the tag name now?"""

    FETCH = auto()
    """A transfer of what is missing."""


def decide(
    item: Item,
    seen: SyncedTag | None,
    held: Digest | None,
    *,
    now: datetime,
    max_age: timedelta,
) -> Step:
    """Return what an image needs, without a question to its registry.

    Args:
        item: The image.
        seen: What the sync remembers of it; None for nothing.
        held: The digest that its tag has at its destination; None if it has no such tag.
        now: The current time.
        max_age: How long an answer of the registry holds.
    """
    if item.origin.digest is not None:
        return Step.FETCH
    if is_here(item, seen, held):
        assert seen is not None  # noqa: S101 - it is here
        if item.is_immutable:
            return Step.IMMUTABLE
        if seen.failures == 0 and now - seen.checked_at < max_age:
            return Step.FRESH
    if held is None and not item.source.is_signed:
        return Step.FETCH
    return Step.CHECK


def is_here(item: Item, seen: SyncedTag | None, held: Digest | None) -> bool:
    """Return whether an image is here as it was last seen, with all its parts.

    Args:
        item: The image.
        seen: What the sync remembers of it; None for nothing.
        held: The digest that its tag has at its destination; None if it has no such tag.
    """
    return (
        seen is not None
        and held is not None
        and seen.digest == held
        and seen.parts == item.parts.fingerprint
    )
