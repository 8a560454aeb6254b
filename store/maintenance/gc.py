"""Collection beside running writers: mark in a snapshot, delete in short transactions that look again, unlink in transactions that have just looked."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar, final

from store.catalog import content, naming
from store.catalog import events as records
from store.catalog.batches import BATCH
from store.catalog.collection import condemned
from store.catalog.collection import garbage as collection
from store.catalog.collection import reachability as reach
from store.catalog.events import Event
from store.maintenance.pacing import BatchPacer
from store.maintenance.reports import CollectionReport
from store.workspace import operations

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Connection

    from store.blobs.protocol import BlobStore
    from store.db.types import ContentKey, LayerKey
    from store.model.digests import Digest, ImageID

    Unit = Callable[[], AbstractContextManager[Connection]]

T = TypeVar("T")
R = TypeVar("R")

BATCH_SIZE: Final = 10_000
"""How many condemned files are looked up at once."""


@final
@dataclass(slots=True)
class _Tally:
    images: list[ImageID] = field(default_factory=list)
    manifests: int = 0
    layers: int = 0
    blobs: list[Digest] = field(default_factory=list)
    freed_bytes: int = 0
    orphans: int = 0
    dead_operations: int = 0


@final
class Collector:
    """One collection.

    ``write`` opens a write unit of the store; ``timer`` tells seconds, from whatever beginning.
    """

    def __init__(
        self,
        read: Unit,
        write: Unit,
        blobs: BlobStore,
        root: Path,
        now: Callable[[], datetime],
        timer: Callable[[], float],
    ) -> None:
        self._read = read
        self._write = write
        self._blobs = blobs
        self._root = root
        self._now = now
        self._timer = timer
        self._tally = _Tally()

    def run(self, *, dangling: bool) -> CollectionReport:
        """Free what nothing needs.

        With ``dangling`` also images without a name that no tagged image was built on.
        """
        with self._write() as connection:
            self._tally.dead_operations = operations.sweep(connection, self._root, self._blobs)
        self._rows(dangling=dangling)
        self._unlink_condemned()
        self._unlink_orphans()
        return self._report(dry_run=False)

    @classmethod
    def dry_run(
        cls,
        copy: Connection,
        blobs: BlobStore,
        root: Path,
        now: Callable[[], datetime],
        *,
        dangling: bool,
    ) -> CollectionReport:
        """What `run` would do: the same statements, on a copy of the catalogue.

        No file is touched.
        """
        collector = cls(
            lambda: nullcontext(copy), lambda: nullcontext(copy), blobs, root, now, lambda: 0.0
        )
        collector._rows(dangling=dangling)
        return collector._report(dry_run=True)

    def _paced(self, marked: Sequence[T], act: Callable[[Connection, Sequence[T]], R]) -> list[R]:
        """Let ``act`` have all that was marked, in write transactions that stay short.

        What it answered each time.
        """
        answers = []
        pace = BatchPacer()
        for piece in pace.pieces(marked):
            with self._write() as connection:
                begin = self._timer()
                answers.append(act(connection, piece))
                # Without the commit: its sync takes as long for one row as for a hundred.
                seconds = self._timer() - begin
            pace.took(len(piece), seconds)
        return answers

    def _marked(self, mark: Callable[[Connection], Sequence[T]]) -> Sequence[T]:
        with self._read() as connection:
            return mark(connection)

    def _rows(self, *, dangling: bool) -> None:
        if dangling:
            self._paced(self._marked(reach.dangling_manifests), naming.drop)
            self._paced(self._marked(reach.unreached_in_repositories), naming.drop)
        self._until_quiet(reach.dead_manifests, self._delete_manifests)
        self._until_quiet(collection.dead_images, self._delete_images)
        self._until_quiet(collection.dead_layers, self._delete_layers)
        fresh_since = self._now() - timedelta(seconds=collection.FRESH_S)
        self._until_quiet(
            lambda connection: collection.dead_contents(connection, fresh_since),
            self._delete_contents,
        )

    def _until_quiet(
        self,
        mark: Callable[[Connection], Sequence[T]],
        delete: Callable[[Connection, Sequence[T]], int],
    ) -> None:
        # Top-down: what one pass deletes may free what stood beneath it. A pass that deletes
        # nothing (all of it found in use again) ends it.
        while any(self._paced(self._marked(mark), delete)):
            pass

    def _delete_manifests(self, connection: Connection, keys: Sequence[ContentKey]) -> int:
        count = collection.delete_manifests(connection, keys)
        self._tally.manifests += count
        return count

    def _delete_images(self, connection: Connection, keys: Sequence[ContentKey]) -> int:
        gone = collection.delete_images(connection, keys)
        now = self._now()
        records.add_events(connection, [Event(now, "gc", str(image_id), {}) for image_id in gone])
        self._tally.images.extend(gone)
        return len(gone)

    def _delete_layers(self, connection: Connection, keys: Sequence[LayerKey]) -> int:
        count = collection.delete_layers(connection, keys)
        self._tally.layers += count
        return count

    def _delete_contents(self, connection: Connection, keys: Sequence[ContentKey]) -> int:
        now = self._now()
        count, files = collection.delete_contents(
            connection, keys, fresh_since=now - timedelta(seconds=collection.FRESH_S), now=now
        )
        self._tally.blobs.extend(digest for digest, _ in files)
        self._tally.freed_bytes += sum(size for _, size in files)
        return count

    def _unlink_condemned(self) -> None:
        while digests := self._marked(
            lambda connection: condemned.next_condemned(connection, BATCH_SIZE)
        ):
            self._paced(digests, self._unlink)

    def _unlink(self, connection: Connection, digests: Sequence[Digest]) -> None:
        for digest, again in condemned.still_condemned(connection, digests):
            if not again:
                self._blobs.remove(digest)
        condemned.forget(connection, digests)

    def _unlink_orphans(self) -> None:
        # A file without a row: left by a crash between rename and commit whose list was lost.
        # Looking needs no lock, unlinking does.
        suspects: list[Digest] = []
        files = iter(self._blobs.digests())
        with self._read() as connection:
            while some := list(islice(files, BATCH)):
                known = content.with_blob_rows(connection, some)
                suspects.extend(digest for digest in some if digest not in known)
        self._paced(suspects, self._unlink_unknown)

    def _unlink_unknown(self, connection: Connection, digests: Sequence[Digest]) -> None:
        for digest in digests:
            if not content.has_blob_row(connection, digest):
                self._tally.freed_bytes += self._blobs.remove(digest)
                self._tally.orphans += 1

    def _report(self, *, dry_run: bool) -> CollectionReport:
        tally = self._tally
        return CollectionReport(
            images=tuple(tally.images),
            manifests=tally.manifests,
            layers=tally.layers,
            blobs=tuple(tally.blobs),
            freed_bytes=tally.freed_bytes,
            orphan_files=tally.orphans,
            dead_operations=tally.dead_operations,
            dry_run=dry_run,
        )
