"""Garbage collection while other processes write.

A collection first marks candidates in a snapshot. Short write units then check the candidates again
and delete them. Further write units remove each file after a check that no row names the file.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar, final

from store.catalog import content, events, naming
from store.catalog.batches import BATCH
from store.catalog.collection import condemned, garbage, reachability
from store.maintenance.pacing import BatchPacer
from store.maintenance.reports import CollectionReport

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from sqlalchemy import Connection

    from store.db.types import ContentKey, LayerKey
    from store.model.digests import Digest, ImageID
    from store.workspace.workspace import Workspace

    Unit = Callable[[], AbstractContextManager[Connection]]

T = TypeVar("T")
R = TypeVar("R")

BATCH_SIZE: Final = 10_000
"""How many condemned files are read from the catalogue at once."""


@final
@dataclass(slots=True)
class _Tally:
    """The images, rows and files that were deleted so far."""

    images: list[ImageID] = field(default_factory=list)
    manifests: int = 0
    layers: int = 0
    blobs: list[Digest] = field(default_factory=list)
    freed_bytes: int = 0
    orphans: int = 0
    dead_operations: int = 0

    def report(self, *, dry_run: bool) -> CollectionReport:
        return CollectionReport(
            images=tuple(self.images),
            manifests=self.manifests,
            layers=self.layers,
            blobs=tuple(self.blobs),
            freed_bytes=self.freed_bytes,
            orphan_files=self.orphans,
            dead_operations=self.dead_operations,
            dry_run=dry_run,
        )


@final
class Collector:
    """The garbage collector of one store.

    Args:
        workspace: The store to collect.
        timer: Returns a time in seconds, to measure how long write units take.
    """

    def __init__(
        self, workspace: Workspace, *, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._workspace = workspace
        self._timer = timer

    def run(self, *, dangling: bool) -> CollectionReport:
        """Delete manifests, images, layers and files that nothing refers to.

        Args:
            dangling: Whether to delete images without a name as well, unless a tagged image was
                built on them.
        """
        workspace, tally = self._workspace, _Tally()
        tally.dead_operations = workspace.sweep_operations()
        units = _Units(workspace.read, lambda: workspace.write("gc"), self._timer)
        _RowCollection(units, workspace.now, tally).run(dangling=dangling)
        _FileCollection(units, workspace, tally).run()
        return tally.report(dry_run=False)

    def dry_run(self, *, dangling: bool) -> CollectionReport:
        """Return the report that `run` would return, made on a copy of the catalogue.

        The same statements run on the copy, so the store does not change.

        Args:
            dangling: Whether to include images without a name, as in `run`.
        """
        tally = _Tally()
        with self._workspace.catalogue_copy() as copy:
            units = _Units(lambda: nullcontext(copy), lambda: nullcontext(copy), self._timer)
            _RowCollection(units, self._workspace.now, tally).run(dangling=dangling)
        return tally.report(dry_run=True)


@final
@dataclass(frozen=True, slots=True)
class _Units:
    """The read and write units of one collection."""

    read: Unit
    write: Unit
    timer: Callable[[], float]

    def marked(self, mark: Callable[[Connection], Sequence[T]]) -> Sequence[T]:
        """Return the candidates that ``mark`` finds in a snapshot."""
        with self.read() as connection:
            return mark(connection)

    def paced(self, marked: Sequence[T], act: Callable[[Connection, Sequence[T]], R]) -> list[R]:
        """Call ``act`` on all candidates, in short write units; return the results."""
        results = []
        pace = BatchPacer()
        for batch in pace.batches(marked):
            with self.write() as connection:
                begin = self.timer()
                results.append(act(connection, batch))
                # Do not time the commit: its sync takes as long for one row as for a hundred.
                seconds = self.timer() - begin
            pace.note(len(batch), seconds)
        return results

    def until_quiet(
        self,
        mark: Callable[[Connection], Sequence[T]],
        delete: Callable[[Connection, Sequence[T]], int],
    ) -> None:
        """Find candidates and delete them, pass after pass, until a pass deletes nothing.

        Deletion goes top-down: deleting a row may free the rows that it refers to. A pass deletes
        nothing if all of its candidates are in use again.
        """
        while any(self.paced(self.marked(mark), delete)):
            pass


@final
class _RowCollection:
    """The part of a collection that deletes rows, and condemns the files named in those rows."""

    def __init__(self, units: _Units, now: Callable[[], datetime], tally: _Tally) -> None:
        self._units = units
        self._now = now
        self._tally = tally

    def run(self, *, dangling: bool) -> None:
        units = self._units
        if dangling:
            units.paced(units.marked(reachability.dangling_manifests), naming.drop)
            units.paced(units.marked(reachability.unreached_in_repositories), naming.drop)
        units.until_quiet(reachability.dead_manifests, self._delete_manifests)
        units.until_quiet(garbage.dead_images, self._delete_images)
        units.until_quiet(garbage.dead_layers, self._delete_layers)
        fresh_since = self._now() - timedelta(seconds=garbage.FRESH_S)
        units.until_quiet(
            lambda connection: garbage.dead_contents(connection, fresh_since),
            self._delete_contents,
        )

    def _delete_manifests(self, connection: Connection, keys: Sequence[ContentKey]) -> int:
        count = garbage.delete_manifests(connection, keys)
        self._tally.manifests += count
        return count

    def _delete_images(self, connection: Connection, keys: Sequence[ContentKey]) -> int:
        deleted = garbage.delete_images(connection, keys)
        now = self._now()
        events.add_events(
            connection, [events.Event(now, "gc", str(image_id), {}) for image_id in deleted]
        )
        self._tally.images.extend(deleted)
        return len(deleted)

    def _delete_layers(self, connection: Connection, keys: Sequence[LayerKey]) -> int:
        count = garbage.delete_layers(connection, keys)
        self._tally.layers += count
        return count

    def _delete_contents(self, connection: Connection, keys: Sequence[ContentKey]) -> int:
        now = self._now()
        count, files = garbage.delete_contents(
            connection, keys, fresh_since=now - timedelta(seconds=garbage.FRESH_S), now=now
        )
        self._tally.blobs.extend(digest for digest, _ in files)
        self._tally.freed_bytes += sum(size for _, size in files)
        return count


@final
class _FileCollection:
    """The part of a collection that removes condemned files, and files without a row."""

    def __init__(self, units: _Units, workspace: Workspace, tally: _Tally) -> None:
        self._units = units
        self._blobs = workspace.blobs
        self._tally = tally

    def run(self) -> None:
        self._remove_condemned()
        self._remove_orphans()

    def _remove_condemned(self) -> None:
        while digests := self._units.marked(
            lambda connection: condemned.next_condemned(connection, BATCH_SIZE)
        ):
            self._units.paced(digests, self._remove)

    def _remove(self, connection: Connection, digests: Sequence[Digest]) -> None:
        for digest, has_row in condemned.still_condemned(connection, digests):
            if not has_row:
                self._blobs.remove(self._blobs.location(digest))
        condemned.forget(connection, digests)

    def _remove_orphans(self) -> None:
        # A crash between rename and commit leaves a file without a row, and may lose the
        # operation's list of its files. Finding such files needs no lock, but removing them does.
        suspects: list[Digest] = []
        files = map(self._blobs.digest, self._blobs.locations())
        with self._units.read() as connection:
            while batch := list(islice(files, BATCH)):
                known = content.with_blob_rows(connection, batch)
                suspects.extend(digest for digest in batch if digest not in known)
        self._units.paced(suspects, self._remove_unknown)

    def _remove_unknown(self, connection: Connection, digests: Sequence[Digest]) -> None:
        for digest in digests:
            if not content.has_blob_row(connection, digest):
                self._tally.freed_bytes += self._blobs.remove(self._blobs.location(digest))
                self._tally.orphans += 1
