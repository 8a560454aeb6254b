"""The images that the sources of a sync name, after their filters."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple, final

from remote.sync.asking import each
from remote.sync.items import Item
from store.errors import InvalidInput, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from remote.sync.asking import Asking
    from remote.sync.memory import SyncMemory
    from remote.sync.sources import Parts, Source
    from store.catalog.upstream.synced_tags import SyncedName
    from store.model.digests import Digest

_ATTACHED: Final = re.compile(r"sha(?:256|512)-[0-9a-f]{64,128}(?:\.(?:sig|att|sbom))?")
"""The tags of signatures, attestations and SBOMs, and of lists of referrers."""

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The time of an image that does not say when it was created."""


class Answer(NamedTuple):
    """What a registry says that a tag names.

    Attributes:
        digest: The digest of the manifest or index.
        etag: The entity tag of the answer; empty if there is none.
    """

    digest: Digest
    etag: str


@final
@dataclass(slots=True)
class Listing:
    """What the sources of a sync name.

    Attributes:
        items: The images, each target once.
        failures: The sources whose tags could not be listed, or whose filter could not be applied.
        conflicts: Images that would get the name of another image.
        tags: All tags of each repository that was listed.
        answers: What registries said about tags while the filters were applied.
    """

    items: list[Item] = field(default_factory=list)
    failures: list[tuple[Source, StoreError]] = field(default_factory=list)
    conflicts: list[tuple[Item, StoreError]] = field(default_factory=list)
    tags: dict[str, frozenset[str]] = field(default_factory=dict)
    answers: dict[SyncedName, Answer] = field(default_factory=dict)

    def add(self, found: Iterable[Item]) -> None:
        """Add images; an image that is listed twice is one image."""
        known = {(item.source.place, item.target): item for item in self.items}
        for item in found:
            other = known.setdefault((item.source.place, item.target), item)
            if other is item:
                self.items.append(item)
            elif other.origin != item.origin:
                self.conflicts.append(
                    (
                        item,
                        InvalidInput(
                            f"cannot sync {item.origin} to {item.target}: line"
                            f" {other.source.line} of {other.source.file} gives this name to"
                            f" {other.origin}",
                            hint="change one of the two names with 'to'",
                        ),
                    )
                )


async def list_images(
    sources: Iterable[Source],
    asking: Asking,
    memory: SyncMemory,
    *,
    parts: Parts,
    now: datetime,
    max_age: timedelta,
) -> Listing:
    """Return the images that sources name. Repositories are asked for their tags at once.

    Args:
        sources: The sources.
        asking: Asks the registries.
        memory: What the sync remembers.
        parts: What of an image is taken if its source does not say.
        now: The current time.
        max_age: How long an answer of a registry holds.
    """
    listing = Listing()

    async def of_source(source: Source) -> list[Item] | StoreError:
        try:
            return await _Expansion(listing, source, asking, memory, parts, now, max_age).items()
        except StoreError as exc:
            return exc

    wanted = list(sources)
    for source, found in zip(
        wanted, await each(wanted, of_source, workers=asking.jobs), strict=True
    ):
        if isinstance(found, StoreError):
            listing.failures.append((source, found))
        else:
            listing.add(found)
    memory.flush()
    return listing


@final
@dataclass(frozen=True, slots=True)
class _Expansion:
    """The images of one source."""

    listing: Listing
    source: Source
    asking: Asking
    memory: SyncMemory
    parts: Parts
    now: datetime
    max_age: timedelta

    async def items(self) -> list[Item]:
        source = self.source
        parts = self.parts if source.parts is None else source.parts
        found = [Item.of_tag(source, parts, tag) for tag in source.tags]
        found += [Item.of_digest(source, parts, digest) for digest in source.digests]
        if source.filter is None:
            return found
        listed = await self.asking.tags(source)
        self.listing.tags[str(source.repository)] = frozenset(listed)
        # With referrers, the tags of referrers come with their images.
        named = [tag for tag in listed if not (parts.has_referrers and _ATTACHED.fullmatch(tag))]
        items = {tag: Item.of_tag(source, parts, tag) for tag in source.filter.by_name(named)}
        if not source.filter.needs_times:
            return [*found, *items.values()]
        times = await each(items.values(), self._created, workers=self.asking.jobs)
        kept = source.filter.by_time(dict(zip(items, times, strict=True)), self.now)
        return [*found, *(items[tag] for tag in kept)]

    async def _created(self, item: Item) -> datetime | None:
        """Return when an image was created. What is remembered costs one question, or none."""
        seen = self.memory.get(item)
        if seen is None or seen.digest is None or seen.created_at is None:
            return await self._asked(item, await self._resolved(item, ""))
        if item.is_immutable or self.now - seen.checked_at < self.max_age:
            return seen.created_at
        answer = await self._resolved(item, seen.etag) or Answer(seen.digest, seen.etag)
        self.listing.answers[item.key] = answer
        return seen.created_at if answer.digest == seen.digest else await self._asked(item, answer)

    async def _resolved(self, item: Item, etag: str) -> Answer | None:
        assert item.origin.tag is not None  # noqa: S101 - the list has tags
        found = await self.asking.resolution(self.source, item.origin.tag, etag)
        return None if found is None else Answer(found.descriptor.digest, found.etag)

    async def _asked(self, item: Item, answer: Answer | None) -> datetime | None:
        assert answer is not None  # noqa: S101 - only a conditional question has no answer
        self.listing.answers[item.key] = answer
        created = await self.asking.created(self.source, answer.digest, item.parts) or _LONG_AGO
        self.memory.note_time(item, answer.digest, created, self.now)
        return created
