"""The run of a sync: listed images are compared with the store, and fetched."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, final

from remote.http.budget_rows import BudgetRows
from remote.pulling.options import PullOptions
from remote.pulling.pull import Puller
from remote.pulling.report import FailedImage, PlannedImage
from remote.registry.values import Tag
from remote.sync.asking import Asking, each
from remote.sync.items import Step, decide, is_here
from remote.sync.listing import Answer, list_images
from remote.sync.memory import SyncMemory
from remote.sync.pruning import Pruning, find_stale
from remote.sync.registry_run import RegistryRun
from remote.sync.report import Became, SyncedImage, failure
from store.catalog import references
from store.errors import StoreError
from store.importing.archive import LayerChecks
from store.model.references import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from remote.http.budgets import Budgets
    from remote.pulling.report import PullOutcome
    from remote.registry.event_loop import EventLoopThread
    from remote.registry.repository import Repository
    from remote.registry.values import ManifestReference
    from remote.sync.items import Item
    from remote.sync.listing import Listing
    from remote.sync.options import SyncOptions
    from remote.sync.registry_run import Push
    from remote.sync.sources import Access, Parts, SyncFile
    from store.model.digests import Digest
    from store.model.progress import Progress
    from store.workspace.workspace import Workspace


@final
class StoreSync:
    """The sync of one file into a store.

    Args:
        workspace: The opened store.
        connect: Returns, for the access of a source, the function that returns the repositories to
            ask for an image.
        loop: Runs the requests.
        options: How the sync runs.
        progress: Receives the progress of each blob; None for no reports.
        push: Returns the repository of a registry that receives an image; None if there is none.
        budgets: Knows how many more requests registries take; None for no limit.
    """

    def __init__(
        self,
        workspace: Workspace,
        connect: Callable[[Access], Callable[[Reference], Sequence[Repository]]],
        loop: EventLoopThread,
        options: SyncOptions,
        progress: Progress | None = None,
        push: Push | None = None,
        budgets: Budgets | None = None,
    ) -> None:
        self._workspace = workspace
        self._push = push
        self._loop = loop
        self._options = options
        self._progress = progress
        self._budgets = budgets
        self._asking = Asking(connect, options.jobs, options.machine, budgets)
        self.notes: list[str] = []
        """Facts about the last run that the user should know, one sentence each."""

    def run(self, file: SyncFile) -> Iterator[SyncedImage]:
        """Sync a file, and yield what became of each image. A failed image stops no other.

        Args:
            file: The file.
        """
        memory = SyncMemory(self._workspace, file.name, is_kept=not self._options.is_plan)
        domains = sorted({source.repository.domain for source in file.sources})
        self._share_budgets(domains)
        try:
            listing = self._loop.run(
                list_images(
                    file.sources,
                    self._asking,
                    memory,
                    parts=self._options.parts,
                    now=self._workspace.now(),
                    max_age=self._options.max_age,
                )
            )
            yield from self._failed_sources(listing)
            yield from _Run(
                self._workspace,
                self._loop,
                self._options,
                self._asking,
                memory,
                listing,
                self._progress,
            ).images()
            yield from self._sent(memory, listing)
            yield from self._pruned(file, listing, memory)
        finally:
            memory.flush()
            self._share_budgets(domains)

    def _share_budgets(self, domains: Sequence[str]) -> None:
        if self._budgets is not None and not self._workspace.read_only:
            BudgetRows(self._workspace).exchange(self._budgets, domains)

    def _sent(self, memory: SyncMemory, listing: Listing) -> Iterator[SyncedImage]:
        items = [item for item in listing.items if item.source.place.is_remote]
        if items:
            assert self._push is not None  # noqa: S101 - the caller has looked at the places
            yield from RegistryRun(
                self._workspace,
                self._loop,
                self._push,
                self._options,
                self._asking,
                memory,
                listing,
                self._progress,
            ).images(items)

    def _pruned(
        self, file: SyncFile, listing: Listing, memory: SyncMemory
    ) -> Iterator[SyncedImage]:
        stale = find_stale(file, listing, memory.rows(), prunes=self._options.prunes)
        if stale.blocked:
            self.notes.append(
                f"no tag was removed: the tags of {', '.join(stale.blocked[:3])} could not be"
                " listed"
            )
        # What was just remembered must not come back after it is forgotten.
        memory.flush()
        pruning = Pruning(
            self._workspace,
            file.name,
            f"{self._options.name}{'0' * 8}",
            is_plan=self._options.is_plan,
        )
        yield from pruning.run(stale, memory)

    @staticmethod
    def _failed_sources(listing: Listing) -> Iterator[SyncedImage]:
        for source, error in listing.failures:
            yield SyncedImage(
                failure(error),
                Reference(source.repository),
                Reference(source.place.repository),
                str(source.place),
                error=error,
            )
        for item, error in listing.conflicts:
            yield _outcome(item, Became.FAILED, error=error)


@final
class _Run:
    """The images of one run."""

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
            self._memory.flush()

    def _pulled(self, item: Item, outcome: PullOutcome, answer: Answer | None) -> SyncedImage:
        if isinstance(outcome, FailedImage):
            return self._failed(item, outcome.error)
        etag = "" if answer is None else answer.etag
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
