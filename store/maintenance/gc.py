"""Garbage collection while other processes write.

A collection first marks candidates in a snapshot. Short write units then check the candidates again
and delete them. Further write units remove each file after a check that no row names the file.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol, final

from store.blobs.quarantine import Quarantine
from store.catalog import content
from store.catalog.collection.grace import Grace, forget_operations
from store.maintenance import downloads, quarantine
from store.maintenance.cache import remove_expired
from store.maintenance.collection import FileCollection, RowCollection, Tally, Units
from store.maintenance.history import remove_old_history
from store.maintenance.kept import keeps_anything, kept_files, upload_kept
from store.maintenance.pacing import MAX_BATCH, MIN_BATCH
from store.maintenance.reports import CollectionReport, Kept

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from store.maintenance.kept import Retained
    from store.model.digests import Digest
    from store.workspace.workspace import Workspace


class UploadFiles(Protocol):
    """The files of uploads (`store.registry.upload_collection.UploadCollection`)."""

    def remove_idle(self) -> list[int]:
        """Remove idle uploads; return the size of each removed file in bytes."""

    def idle(self) -> list[int]:
        """Return the size of each file that `remove_idle` would remove, in bytes."""

    def in_progress(self) -> list[tuple[str, int, datetime]]:
        """Return the repository, the size in bytes and the end of each upload in progress."""


@final
class Collector:
    """The garbage collector of one store.

    Args:
        workspace: The store to collect.
        uploads: The files of uploads.
        retained: What to keep for rollbacks.
        timer: Returns a time in seconds, to measure how long write units take.
    """

    def __init__(
        self,
        workspace: Workspace,
        uploads: UploadFiles,
        retained: Retained,
        *,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workspace = workspace
        self._uploads = uploads
        self._retained = retained
        self._timer = timer

    def run(self, *, dangling: bool, end_grace: bool = False) -> CollectionReport:
        """Delete manifests, images, layers and files that nothing refers to.

        Args:
            dangling: Whether to delete images without a name as well, unless a tagged image was
                built on them.
            end_grace: Whether to delete blobs that no manifest lists as well, unless somebody has
                just pushed to a repository that holds them; and all interrupted downloads.
        """
        from store.maintenance import document_log  # noqa: PLC0415 - a dry run does without

        workspace, tally = self._workspace, Tally()

        def grace() -> Grace:
            return Grace(workspace.now(), is_ended=end_grace)

        swept = workspace.sweep_operations()
        tally.orphans += swept.published_files
        tally.freed_bytes += swept.freed_bytes
        uploads = self._uploads.remove_idle()
        remove_old_history(lambda: workspace.write("gc"))
        units = Units(
            workspace.read,
            lambda: workspace.write("gc"),
            self._timer,
            # On a full disk, the log of a unit has to fit into the reserve.
            MIN_BATCH if workspace.reserve.was_released else MAX_BATCH,
        )
        if workspace.cache_limits.is_set:
            tally.cached_tags = remove_expired(units, workspace.cache_limits, workspace.now())
        RowCollection(units, grace, workspace.now, tally, self._retained.keys).run(
            dangling=dangling
        )
        files = FileCollection(
            units,
            workspace.blobs,
            self._remove,
            content.has_blob_row,
            tally,
            lambda digest: Quarantine(workspace.root).take(digest, workspace.now()),
        )
        files.remove_condemned()
        files.set_orphans_aside()
        quarantine.give_back(workspace)
        quarantine.remove_expired(workspace, tally, dry_run=False)
        downloads.remove_expired(workspace, tally, end_grace=end_grace, dry_run=False)
        document_log.refresh(workspace)
        kept: list[Kept] = []
        with workspace.read() as connection:
            is_any_kept = keeps_anything(connection, grace(), self._retained)
        if is_any_kept:
            with workspace.catalogue_copy() as copy:
                kept = kept_files(copy, workspace.blobs, grace(), self._retained)
        kept += upload_kept(self._uploads.in_progress())
        kept += downloads.kept(workspace, end_grace=end_grace)
        kept += quarantine.kept(workspace, tally, dry_run=False)
        return _report(tally, len(swept.operations), uploads, kept, dry_run=False)

    def dry_run(self, *, dangling: bool, end_grace: bool = False) -> CollectionReport:
        """Return the report that `run` would return, made on a copy of the catalogue.

        The same statements run on the copy, so the store does not change.

        Args:
            dangling: Whether to include images without a name, as in `run`.
            end_grace: Whether to end the grace of pushed blobs, as in `run`.
        """
        workspace, tally = self._workspace, Tally()
        grace = Grace(workspace.now(), is_ended=end_grace)
        dead = workspace.dead_operations()
        tally.freed_bytes += dead.freed_bytes
        with workspace.catalogue_copy() as copy:
            forget_operations(copy, dead.operations)
            units = Units(lambda: nullcontext(copy), lambda: nullcontext(copy), self._timer)
            if workspace.cache_limits.is_set:
                tally.cached_tags = remove_expired(units, workspace.cache_limits, workspace.now())
            RowCollection(units, lambda: grace, workspace.now, tally, self._retained.keys).run(
                dangling=dangling
            )
            files = FileCollection(
                units,
                workspace.blobs,
                self._measure,
                self._has_row_or_gets_one,
                tally,
                self._measure,
            )
            files.remove_condemned()
            files.set_orphans_aside()
            quarantine.remove_expired(workspace, tally, dry_run=True)
            downloads.remove_expired(workspace, tally, end_grace=end_grace, dry_run=True)
            kept = kept_files(copy, workspace.blobs, grace, self._retained)
        kept += upload_kept(self._uploads.in_progress())
        kept += downloads.kept(workspace, end_grace=end_grace)
        kept += quarantine.kept(workspace, tally, dry_run=True)
        return _report(tally, len(dead.operations), self._uploads.idle(), kept, dry_run=True)

    def _remove(self, digest: Digest) -> int | None:
        blobs = self._workspace.blobs
        location = blobs.location(digest)
        is_there = blobs.size(location) is not None
        freed = blobs.remove(location)
        return freed if is_there else None

    def _measure(self, digest: Digest) -> int | None:
        blobs = self._workspace.blobs
        return blobs.size(blobs.location(digest))

    def _has_row_or_gets_one(self, _copy: Connection, digest: Digest) -> bool:
        """Return whether a file has a row by now: it may be newer than the copy."""
        with self._workspace.read() as connection:
            return content.has_blob_row(connection, digest)


def _report(
    tally: Tally,
    dead_operations: int,
    uploads: Sequence[int],
    kept: Sequence[Kept],
    *,
    dry_run: bool,
) -> CollectionReport:
    return CollectionReport(
        images=tuple(tally.images),
        manifests=tally.manifests,
        layers=tally.layers,
        blobs=tuple(tally.blobs),
        freed_bytes=tally.freed_bytes + sum(uploads),
        orphan_files=tally.orphans,
        dead_operations=dead_operations,
        dry_run=dry_run,
        uploads=len(uploads),
        downloads=tally.downloads,
        cached_tags=tally.cached_tags,
        kept=tuple(kept),
    )
