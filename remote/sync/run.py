"""The run of a sync: sources are listed, and images fetched, sent, and removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from remote.http.budget_rows import BudgetRows
from remote.sync.asking import Asking
from remote.sync.listing import list_images
from remote.sync.memory import SyncMemory
from remote.sync.pruning import Pruning, find_stale
from remote.sync.report import Became, SyncedImage, failure
from store.model.references import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from remote.http.budgets import Budgets
    from remote.registry.event_loop import EventLoopThread
    from remote.registry.repository import Repository
    from remote.sync.listing import Listing
    from remote.sync.options import SyncOptions
    from remote.sync.registry_run import Push
    from remote.sync.sources import Access, SyncFile
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
            yield from self._fetched(memory, listing)
            yield from self._sent(memory, listing)
            yield from self._pruned(file, listing, memory)
        finally:
            memory.flush()
            self._share_budgets(domains)

    def _share_budgets(self, domains: Sequence[str]) -> None:
        if self._budgets is not None and not self._workspace.read_only:
            BudgetRows(self._workspace).exchange(self._budgets, domains)

    def _fetched(self, memory: SyncMemory, listing: Listing) -> Iterator[SyncedImage]:
        if all(item.source.place.is_remote for item in listing.items):
            return
        from remote.sync.store_run import (  # noqa: PLC0415 - it loads the imports of archives
            StoreRun,
        )

        yield from StoreRun(
            self._workspace,
            self._loop,
            self._options,
            self._asking,
            memory,
            listing,
            self._progress,
        ).images()

    def _sent(self, memory: SyncMemory, listing: Listing) -> Iterator[SyncedImage]:
        items = [item for item in listing.items if item.source.place.is_remote]
        if items:
            assert self._push is not None  # noqa: S101 - the caller has looked at the places
            from remote.sync.registry_run import RegistryRun  # noqa: PLC0415 - most syncs send nothing

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
            yield SyncedImage(
                Became.FAILED, item.origin, item.target, str(item.source.place), error=error
            )
