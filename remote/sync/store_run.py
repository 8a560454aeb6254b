"""The run of a sync into the store: listed images are compared with the store, and fetched."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, final

from remote.pulling.options import PullOptions
from remote.pulling.pull import Puller
from remote.pulling.report import FailedImage, PlannedImage, PulledImage
from remote.registry.values import Tag
from remote.sync.asking import Asking, each
from remote.sync.items import Step, decide, is_here
from remote.sync.listing import Answer
from remote.sync.report import Became, SyncedImage, failure
from store.catalog import references
from store.errors import StoreError
from store.importing.archive import LayerChecks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from remote.pulling.report import PullOutcome
    from remote.registry.event_loop import EventLoopThread
    from remote.registry.values import ManifestReference
    from remote.sync.items import Item
    from remote.sync.listing import Listing
    from remote.sync.memory import SyncMemory
    from remote.sync.options import SyncOptions
    from remote.sync.sources import Access, Parts
    from store.model.digests import Digest
    from store.model.progress import Progress
    from store.model.references import Reference
    from store.workspace.workspace import Workspace


@final
class StoreRun:
    """The images of one run that the store receives.

    Args:
        workspace: The opened store.
        loop: Runs the requests.
        options: How the sync runs.
        asking: Asks the registries of the sources.
        memory: What the sync remembers.
        listing: What the sources name.
        progress: Receives the progress of each blob; None for no reports.
    """

    def __init__(
        self,
        workspace: Workspace,
        loop: EventLoopThread,
        options: SyncOptions,
        asking: Asking,
        memory: SyncMemory,
        listing: Listing,
        progress: Progress | None,
    ) -> None:
        self._workspace = workspace
        self._loop = loop
        self._options = options
        self._asking = asking
        self._memory = memory
        self._listing = listing
        self._progress = progress
        with workspace.read() as connection:
            tags = [
                item.target
                for item in listing.items
                if item.target.tag is not None and not item.source.place.is_remote
            ]
            found = references.get_all(connection, tags)
        self._held = {name: target.digest for name, target in found.items()}

    def images(self) -> Iterator[SyncedImage]:
        """Yield what becomes of each image."""
        waiting: dict[Step, list[Item]] = defaultdict(list)
        now = self._workspace.now()
        for item in self._listing.items:
            if item.source.place.is_remote:
                continue
            held = self._held.get(item.target)
            step = decide(
                item, self._memory.get(item), held, now=now, max_age=self._options.max_age
            )
            if step is Step.CHECK or (step is Step.FETCH and item.key in self._listing.answers):
                waiting[Step.CHECK].append(item)
            elif step is Step.FETCH:
                waiting[Step.FETCH].append(item)
            else:
                became = Became.IMMUTABLE if step is Step.IMMUTABLE else Became.FRESH
                yield _outcome(item, became, before=held, digest=held)
        checked = self._loop.run(self._checks(waiting[Step.CHECK]))
        exact: dict[Reference, Answer] = {}
        for item, answer in zip(waiting[Step.CHECK], checked, strict=True):
            if isinstance(answer, SyncedImage):
                yield answer
            else:
                exact[item.target] = answer
                waiting[Step.FETCH].append(item)
        self._memory.flush()
        for group in _groups(waiting[Step.FETCH]):
            yield from self._fetched(group, exact)

    # --- questions --------------------------------------------------------------------------------

    async def _checks(self, items: Iterable[Item]) -> list[SyncedImage | Answer]:
        return await each(items, self._check, workers=self._asking.jobs)

    async def _check(self, item: Item) -> SyncedImage | Answer:
        """Return what became of an image, or the digest to fetch."""
        try:
            return await self._checked(item)
        except StoreError as exc:
            return self._failed(item, exc)

    async def _checked(self, item: Item) -> SyncedImage | Answer:
        seen, held = self._memory.get(item), self._held.get(item.target)
        answer = self._listing.answers.get(item.key)
        if answer is None:
            assert item.origin.tag is not None  # noqa: S101 - a digest needs no check
            is_known = seen is not None and is_here(item, seen, held)
            etag = seen.etag if seen is not None and is_known else ""
            found = await self._asking.resolution(item.source, item.origin.tag, etag)
            if found is None:
                assert held is not None  # noqa: S101 - a conditional question was asked
                answer = Answer(held, etag)
            else:
                answer = Answer(found.descriptor.digest, found.etag)
        # New referrers of an image can only be found by asking for them.
        if is_here(item, seen, held) and answer.digest == held and not item.parts.has_referrers:
            self._memory.note_checked(item, answer.digest, answer.etag, self._workspace.now())
            return _outcome(item, Became.UNCHANGED, before=held, digest=held)
        if item.source.is_signed:
            tags = self._listing.tags.get(str(item.source.repository))
            if not await self._asking.is_signed(item.source, answer.digest, tags):
                return _outcome(item, Became.UNSIGNED, before=held)
        return answer

    # --- transfers --------------------------------------------------------------------------------

    def _fetched(
        self, items: Sequence[Item], exact: dict[Reference, Answer]
    ) -> Iterator[SyncedImage]:
        """Fetch images of one access and of the same parts."""
        access, parts = items[0].source.access, items[0].parts
        by_target = {item.target: item for item in items}
        # What was checked is what is fetched, also if the tag moves meanwhile.
        asked: dict[Reference, ManifestReference] = {
            item.target: Tag(item.origin.tag) for item in items if item.origin.tag is not None
        }
        asked |= {name: answer.digest for name, answer in exact.items() if name in by_target}

        puller = Puller(
            self._workspace,
            lambda name: self._asking.repositories(access, by_target[name].origin),
            self._loop,
            PullOptions(
                platforms=parts.platforms,
                all_platforms=parts.all_platforms,
                machine=self._options.machine,
                has_referrers=parts.has_referrers,
                jobs=self._options.jobs,
                asked=asked,
                kind=self._options.name,
                checks=LayerChecks.REQUIRED if self._options.verifies else LayerChecks.LATER,
            ),
            self._progress,
        )
        work = puller.plan if self._options.is_plan else puller.pull
        for outcome in work(by_target):
            item = by_target[outcome.reference]
            yield self._pulled(item, outcome, exact.get(item.target))
            # An interrupted run has then remembered what it has done.
            self._memory.flush_sometimes()

    def _pulled(self, item: Item, outcome: PullOutcome, answer: Answer | None) -> SyncedImage:
        if isinstance(outcome, FailedImage):
            return self._failed(item, outcome.error)
        if answer is not None:
            etag = answer.etag
        else:
            etag = outcome.etag if isinstance(outcome, PulledImage) else ""
        self._memory.note_checked(item, outcome.digest, etag, self._workspace.now())
        blobs = len(outcome.blobs) if isinstance(outcome, PlannedImage) else outcome.fetched_blobs
        return _outcome(
            item,
            Became.PULLED if outcome.is_new else Became.UNCHANGED,
            before=self._held.get(item.target),
            digest=outcome.digest,
            fetched=(blobs, outcome.fetched_bytes, outcome.present_blobs),
            notes=outcome.notes,
        )

    def _failed(self, item: Item, error: StoreError) -> SyncedImage:
        self._asking.note_error(error)
        became = failure(error)
        if became is Became.FAILED:
            self._memory.note_failure(item, self._workspace.now())
        return _outcome(item, became, before=self._held.get(item.target), error=error)


def _groups(items: Iterable[Item]) -> list[list[Item]]:
    """Return images that one puller can fetch: of the same parts, with the same credentials."""
    groups: dict[tuple[Access, Parts], list[Item]] = defaultdict(list)
    for item in items:
        groups[item.source.access, item.parts].append(item)
    return list(groups.values())


def _outcome(
    item: Item,
    became: Became,
    *,
    before: Digest | None = None,
    digest: Digest | None = None,
    fetched: tuple[int, int, int] = (0, 0, 0),
    notes: tuple[str, ...] = (),
    error: StoreError | None = None,
) -> SyncedImage:
    blobs, size_bytes, present = fetched
    return SyncedImage(
        became,
        item.origin,
        item.target,
        str(item.source.place),
        before,
        digest,
        blobs,
        size_bytes,
        present,
        notes,
        error,
    )
