"""The two parts of a garbage collection: delete rows, then remove files.

Rows are deleted top-down: first manifests, then images, layers and content. The digests of the
files are recorded as condemned. Then each condemned file is removed, if no row names it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar, final

from store.catalog import content, events, naming
from store.catalog.batches import BATCH
from store.catalog.collection import condemned, garbage, reachability
from store.maintenance.pacing import MAX_BATCH, BatchPacer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from collections.abc import Set as AbstractSet
    from contextlib import AbstractContextManager
    from datetime import datetime

    from sqlalchemy import Connection

    from store.blobs.protocol import BlobStore
    from store.catalog.collection.grace import Grace
    from store.db.types import ContentKey, LayerKey
    from store.model.digests import Digest, ImageID

    Unit = Callable[[], AbstractContextManager[Connection]]

T = TypeVar("T")
R = TypeVar("R")

BATCH_SIZE: Final = 10_000
"""How many condemned files are read from the catalogue at once."""


@final
@dataclass(slots=True)
class Tally:
    """The images, rows and files that were deleted so far.

    Attributes:
        images: The IDs of the deleted images.
        manifests: The number of deleted manifests.
        layers: The number of deleted layers.
        blobs: The digests of the files whose rows were deleted.
        files: The number of removed files.
        freed_bytes: The size of the removed files.
        orphans: The number of removed files that had no row.
        set_aside: The size in bytes of each file that was moved into quarantine.
        downloads: The number of removed files of interrupted downloads.
        cached_tags: The number of removed tags that were pulled through.
    """

    images: list[ImageID] = field(default_factory=list)
    manifests: int = 0
    layers: int = 0
    blobs: list[Digest] = field(default_factory=list)
    files: int = 0
    freed_bytes: int = 0
    orphans: int = 0
    set_aside: list[int] = field(default_factory=list)
    downloads: int = 0
    cached_tags: int = 0


@final
@dataclass(frozen=True, slots=True)
class Units:
    """The read and write units of one collection.

    Attributes:
        read: Returns a read unit.
        write: Returns a write unit.
        timer: Returns a time in seconds.
        most: The most rows that one write unit deletes; few, if the disk is nearly full.
    """

    read: Unit
    write: Unit
    timer: Callable[[], float]
    most: int = MAX_BATCH

    def marked(self, mark: Callable[[Connection], Sequence[T]]) -> Sequence[T]:
        """Return the candidates that ``mark`` finds in a snapshot."""
        with self.read() as connection:
            return mark(connection)

    def paced(self, marked: Sequence[T], act: Callable[[Connection, Sequence[T]], R]) -> list[R]:
        """Call ``act`` on all candidates, in short write units; return the results."""
        results = []
        pace = BatchPacer(most=self.most)
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
class RowCollection:
    """The part of a collection that deletes rows, and condemns the files named in those rows.

    Args:
        units: The read and write units.
        grace: The rule for blobs that clients may be about to list in a manifest.
        now: Returns the current time.
        tally: Receives what is deleted.
        retained: Returns row numbers of manifests and content that stay although nothing refers to
            them, as a transaction sees them.
    """

    def __init__(
        self,
        units: Units,
        grace: Callable[[], Grace],
        now: Callable[[], datetime],
        tally: Tally,
        retained: Callable[[Connection], AbstractSet[ContentKey]] = lambda _: frozenset(),
    ) -> None:
        self._units = units
        self._grace = grace
        self._now = now
        self._tally = tally
        self._retained = retained

    def run(self, *, dangling: bool) -> None:
        """Delete the manifests, images, layers and content that nothing refers to.

        Args:
            dangling: Whether to delete images without a name as well.
        """
        units = self._units
        if dangling:
            for mark in (reachability.dangling_manifests, reachability.unreached_in_repositories):
                units.paced(units.marked(self._without_retained(mark)), naming.drop)
        units.until_quiet(
            self._without_retained(reachability.dead_manifests), self._delete_manifests
        )
        units.until_quiet(garbage.dead_images, self._delete_images)
        units.until_quiet(self._dead_layers, self._delete_layers)
        units.until_quiet(
            self._without_retained(
                lambda connection: garbage.dead_contents(connection, self._grace())
            ),
            self._delete_contents,
        )

    def _dead_layers(self, connection: Connection) -> list[LayerKey]:
        found = garbage.dead_layers(connection)
        retained = garbage.layers_of(connection, self._retained(connection)) if found else set()
        return [key for key in found if key not in retained]

    def _without_retained(
        self, mark: Callable[[Connection], list[ContentKey]]
    ) -> Callable[[Connection], list[ContentKey]]:
        """Return a mark that leaves out what is retained in the same snapshot.

        A tag that is removed later cannot need what this snapshot shows as garbage.
        """

        def marked(connection: Connection) -> list[ContentKey]:
            found = mark(connection)
            retained = self._retained(connection) if found else frozenset()
            return [key for key in found if key not in retained]

        return marked

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
        # Clients may have pushed since the mark, so each write unit makes the rule again.
        count, files = garbage.delete_contents(connection, keys, self._grace(), now=self._now())
        self._tally.blobs.extend(digest for digest, _ in files)
        return count


@final
class FileCollection:
    """The part of a collection that removes condemned files, and files without a row.

    Args:
        units: The read and write units.
        blobs: The blob store.
        free: Removes the file of a digest; returns its size in bytes. A dry run only measures it.
        is_known: Returns whether a digest has a blob row now.
        tally: Receives what is removed.
        set_aside: Moves a file without a row into quarantine; returns its size in bytes. A dry run
            only measures it.
    """

    def __init__(
        self,
        units: Units,
        blobs: BlobStore,
        free: Callable[[Digest], int | None],
        is_known: Callable[[Connection, Digest], bool],
        tally: Tally,
        set_aside: Callable[[Digest], int | None] = lambda _: None,
    ) -> None:
        self._units = units
        self._set_aside = set_aside
        self._blobs = blobs
        self._free = free
        self._is_known = is_known
        self._tally = tally
        self._removed: set[Digest] = set()

    def remove_condemned(self) -> None:
        """Remove the condemned files that no row names."""
        while digests := self._units.marked(
            lambda connection: condemned.next_condemned(connection, BATCH_SIZE)
        ):
            self._units.paced(digests, self._remove)

    def set_orphans_aside(self) -> None:
        """Set the files aside that have no row.

        A crash between rename and commit leaves a file without a row, and may lose the operation's
        list of its files. Finding such files needs no lock, but moving them does.
        """
        suspects: list[Digest] = []
        files = map(self._blobs.digest, self._blobs.locations())
        with self._units.read() as connection:
            while batch := list(islice(files, BATCH)):
                known = content.with_blob_rows(connection, batch)
                suspects.extend(
                    digest
                    for digest in batch
                    if digest not in known and digest not in self._removed
                )
        self._units.paced(suspects, self._set_unknown_aside)

    def _remove(self, connection: Connection, digests: Sequence[Digest]) -> None:
        for digest, has_row in condemned.still_condemned(connection, digests):
            if not has_row:
                self._remove_file(digest)
        condemned.forget(connection, digests)

    def _set_unknown_aside(self, connection: Connection, digests: Sequence[Digest]) -> None:
        for digest in digests:
            if not self._is_known(connection, digest):
                size = self._set_aside(digest)
                if size is not None:
                    self._tally.set_aside.append(size)

    def _remove_file(self, digest: Digest) -> bool:
        size = self._free(digest)
        if size is None:
            return False
        self._removed.add(digest)
        self._tally.files += 1
        self._tally.freed_bytes += size
        return True
