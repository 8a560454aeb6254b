"""The store's front door: open it, hand archives in, ask, name, remove, collect, check.

What only one method needs is imported there: a list of images does not wait for everything that can
read an archive.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self, final

from store.blobs.directory import BLOBS, DirectoryBlobs, require_one_file_system
from store.db.sqlite.engine import DATABASE, Durability, make_engine, read_unit, write_unit
from store.db.sqlite.location import DatabaseLocation
from store.db.sqlite.prepared import Lookups
from store.db.sqlite.upgrade import (
    SchemaState,
    UpgradeReport,
    drift,
    require_known,
    schema_state,
    upgrade,
)
from store.errors import ContentMissing, DamagedContent, ReadOnlyStore, StoreError, StoreNotFound
from store.files.durable import make_folder, sync_folder
from store.files.os_errors import translated
from store.files.write_lock import WRITE_LOCK, WriteLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

    from store.catalog.events import Event
    from store.content.reader import Reader
    from store.db.sqlite.prepared import Lookup
    from store.importing.importer import ImportOptions
    from store.importing.report import ImportReport
    from store.maintenance.reports import CollectionReport, Finding
    from store.model.contents import DiffState, Sources
    from store.model.digests import Digest, ImageID
    from store.model.progress import Progress
    from store.model.references import Reference
    from store.names.tagging import RemovedName, TagChange
    from store.queries.details import ImageDetails, ManifestContents
    from store.queries.results import ImageFilter, ImageSummary, ManifestSummary
    from store.queries.usage import Usage
    from store.workspace.operations import Operation


def utc_now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


@final
class Store:
    """A content-addressed image store in one folder. Use `Store.open`; it is a context manager.

    Every method is safe beside other processes on the same store. Threads may share a store.
    """

    def __init__(
        self,
        root: Path,
        *,
        place: DatabaseLocation,
        clock: Callable[[], datetime],
        on_wait: Callable[[str], None] | None,
    ) -> None:
        self.root = root
        self.blobs = DirectoryBlobs(root)
        self._clock = clock
        self._place = place
        self._engine = make_engine(place.database, place.access)
        self._lookups = Lookups(self._engine)
        self._lock = WriteLock(root / WRITE_LOCK, on_wait)

    # --- opening ----------------------------------------------------------------------------------

    @classmethod
    def open(
        cls,
        root: Path,
        *,
        create: bool = False,
        read_only: bool = False,
        clock: Callable[[], datetime] = utc_now,
        on_wait: Callable[[str], None] | None = None,
    ) -> Self:
        """Open the store at ``root``; with ``create``, make it when there is none.

        An older schema is upgraded, after a backup.

        Raises StoreNotFound, SchemaMismatch, Unavailable and its branches.
        """
        try:
            place = DatabaseLocation.at(root, read_only=read_only)
        except StoreNotFound:
            if not create or read_only:
                raise
            from store.workspace.operations import STAGING

            make_folder(root)
            with translated(root):
                for name in (BLOBS, STAGING):
                    (root / name).mkdir(exist_ok=True)
            sync_folder(root)
            upgrade(root, now=clock, on_wait=on_wait)
            place = DatabaseLocation.at(root, read_only=False)
        try:
            if not _is_current(place):
                upgrade(root, now=clock, on_wait=on_wait)
            require_one_file_system(root)
        except BaseException:
            place.close()
            raise
        return cls(root, place=place, clock=clock, on_wait=on_wait)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the connections go."""
        self._lookups.close()
        self._engine.dispose()
        self._place.close()

    @property
    def read_only(self) -> bool:
        """Whether this store can only be read."""
        return not self._place.writable

    @staticmethod
    def schema_state(root: Path) -> SchemaState:
        """The schema's revision at ``root`` and the one this program wants; opens nothing else.

        Raises StoreNotFound.
        """
        with DatabaseLocation.at(root, read_only=True) as place:
            return schema_state(place)

    @staticmethod
    def upgrade(root: Path, *, clock: Callable[[], datetime] = utc_now) -> UpgradeReport:
        """Bring an existing store's schema up to date. Raises StoreNotFound, SchemaMismatch."""
        Store.schema_state(root)
        return upgrade(root, now=clock)

    @staticmethod
    def check_schema(root: Path) -> tuple[str, ...]:
        """Differences between the database's schema and this program's.

        Empty when there are none.
        """
        return drift(root)

    # --- units ------------------------------------------------------------------------------------

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One snapshot of the catalogue."""
        with read_unit(self._engine) as connection:
            yield connection

    def look(self) -> AbstractContextManager[Lookup]:
        """The catalogue for single statements (see `Lookups`): what has to be quick and fits one statement is asked so."""
        return self._lookups.look()

    @contextmanager
    def write(
        self, owner: str = "storectl", durability: Durability = Durability.SYNCED
    ) -> Iterator[Connection]:
        """One change of the catalogue, all of it or none. Raises ReadOnlyStore."""
        if self.read_only:
            raise ReadOnlyStore(
                f"the store at {self.root} can only be read",
                hint="check the mount and the permissions of its folder",
            )
        with write_unit(self._engine, self._lock, owner, durability) as connection:
            yield connection

    @contextmanager
    def operation(self, kind: str) -> Iterator[Operation]:
        """A running operation: what it leases stays until this block is left.

        The dead are swept first.
        """
        import uuid

        from store.workspace import operations

        identifier = f"{kind}-{uuid.uuid4().hex[:20]}"
        with self.write(identifier) as connection:
            operations.sweep(connection, self.root, self.blobs)
            running = operations.begin(
                connection, self.root, operation_id=identifier, kind=kind, now=self._clock()
            )
        try:
            yield running
        except BaseException:
            try:
                with self.write(identifier) as connection:
                    operations.abandon(connection, running, self.blobs)
            except StoreError:
                # Not even that can be written: the next operation's sweep will, once the lock is
                # gone.
                running.let_go()
                raise
            operations.release(running)
            raise
        operations.release(running)

    # --- archives in ------------------------------------------------------------------------------

    def import_archive(
        self,
        source: Path | BinaryIO,
        options: ImportOptions | None = None,
        progress: Progress | None = None,
    ) -> ImportReport:
        """Take in everything an archive holds, in one transaction.

        A file is read where needed, a stream once from end to end.

        Raises InvalidInput and its branches (the store is unchanged), Unavailable and its branches.
        """
        from store.importing.importer import take_archive

        return take_archive(self, source, options, progress)

    # --- bytes out --------------------------------------------------------------------------------

    @contextmanager
    def leased(self, kind: str, digests: Iterable[Digest]) -> Iterator[Path]:
        """While the block runs, none of ``digests`` is collected.

        It gets a folder for what lives no longer than itself.

        A store that cannot be written is read as it is.
        """
        if self.read_only:
            from tempfile import TemporaryDirectory

            with TemporaryDirectory(prefix=f"storectl-{kind}-") as folder:
                yield Path(folder)
            return
        from store.catalog import content
        from store.catalog.in_progress import leases
        from store.workspace import operations

        with self.operation(kind) as operation:
            with self.write(operation.id) as connection:
                leases.add_leases(
                    connection,
                    operation.id,
                    [known.key for known in content.find(connection, digests).values()],
                )
            yield operation.folder
            with self.write(operation.id) as connection:
                operations.end(connection, operation)

    def sources(self, digests: Iterable[Digest]) -> dict[Digest, Sources]:
        """Where the bytes of ``digests`` can be had."""
        from store.catalog import content

        with self.read() as connection:
            return content.sources(connection, digests)

    def document(self, digest: Digest) -> bytes | None:
        """A small document that the catalogue holds inline, verified; None when it is not here.

        Raises DamagedContent.
        """
        found = self.sources((digest,)).get(digest)
        if found is None or found.inline is None:
            return None
        with self.reader() as reader:
            return b"".join(reader.chunks(found))

    def reader(self) -> Reader:
        """Something that reads contents, verified (a context manager)."""
        from store.content.reader import Reader

        return Reader(self.blobs, workers=max(2, os.cpu_count() or 1))

    def verify_image(self, image_id: ImageID) -> DiffState:
        """Whether the layers of an image have its diff IDs.

        What a push left open is decoded and looked into now. Raises ImageNotFound, ReadOnlyStore.
        """
        from store.maintenance.verification import Verifier

        return Verifier(
            self.read, self.write, self.operation, self._document, self.blobs, self._clock
        ).verify(image_id)

    def report_damage(self, error: DamagedContent | ContentMissing) -> None:
        """Remember that stored bytes are bad, so that they are never served again.

        A store that cannot be written is left as it is.
        """
        from store.catalog import content

        if not self.read_only:
            with self.write("damage") as connection:
                content.mark_damaged(connection, error.digest)

    def record(self, events: Sequence[Event]) -> None:
        """Append events; a store that cannot be written keeps none."""
        from store.catalog import events as records

        if events and not self.read_only:
            with self.write("events") as connection:
                records.add_events(connection, events)

    def now(self) -> datetime:
        """The store's clock."""
        return self._clock()

    # --- questions --------------------------------------------------------------------------------

    def images(self, filters: ImageFilter | None = None) -> tuple[ImageSummary, ...]:
        """The images that fit, newest first.

        Raises ImageNotFound for a ``before`` or ``since`` that names none.
        """
        from store.queries import lists as queries

        with self.read() as connection:
            return queries.list_images(connection, filters)

    def manifests(self, filters: ImageFilter | None = None) -> tuple[ManifestSummary, ...]:
        """Artifacts, and indexes without an image for the default platform: what `images` does not list. Filters that speak of images leave none."""
        from store.queries import lists as queries

        with self.read() as connection:
            return queries.list_manifests(connection, filters)

    def names(self, prefix: str, limit: int) -> tuple[Reference, ...]:
        """Up to ``limit`` tags that begin with ``prefix``, as people write them."""
        from store.queries import lists as queries

        with self.read() as connection:
            return queries.list_names(connection, prefix, limit)

    def inspect_manifest(self, name: str) -> ManifestContents:
        """What a manifest or index points at, by tag, digest reference or digest.

        Raises ImageNotFound, AmbiguousName.
        """
        from store.queries import details

        with self.read() as connection:
            return details.manifest_contents(connection, name)

    def inspect(self, name: str) -> ImageDetails:
        """Everything about one image, by tag, digest reference or ID.

        Raises ImageNotFound, AmbiguousName.
        """
        from store.queries import details

        with self.read() as connection:
            return details.image_details(connection, name, self._document)

    def _document(self, digest: Digest) -> bytes:
        with self.reader() as reader:
            return b"".join(reader.chunks(self.sources((digest,))[digest]))

    def events(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        actions: Sequence[str] = (),
        targets: Sequence[str] = (),
    ) -> Iterator[Event]:
        """What happened, oldest first."""
        from store.catalog import events as records

        with self.read() as connection:
            yield from records.events(
                connection, since=since, until=until, actions=actions, targets=targets
            )

    def usage(self, *, each: bool = True) -> Usage:
        """What lies in the store and what a collection would free.

        Without ``each`` the images are only summed up.
        """
        from store.queries import usage

        with self.read() as connection:
            found = usage.usage(connection, each=each)
        database = sum(
            path.stat().st_size for path in self.root.glob(f"{DATABASE}*") if path.is_file()
        )
        return usage.with_database(found, database)

    # --- changes ----------------------------------------------------------------------------------

    def tag(self, source: str, target: str) -> TagChange:
        """Let ``target`` name the image that ``source`` names.

        Raises ImageNotFound, AmbiguousName, InvalidReference.
        """
        from store.model.references import Reference
        from store.names import tagging as removal

        name = Reference.parse(target).with_default_tag()
        with self.write("tag") as connection:
            return removal.tag(connection, source, name, now=self._clock())

    def untag(self, name: str) -> tuple[RemovedName, ...]:
        """Take a tag away and keep the image. Raises ReferenceNotFound."""
        from store.model.references import Reference
        from store.names import tagging as removal

        with self.write("untag") as connection:
            return removal.untag(
                connection, Reference.parse(name).with_default_tag(), now=self._clock()
            )

    def remove(
        self, name: str, *, force: bool = False, prune_parents: bool = True
    ) -> tuple[RemovedName, ...]:
        """Remove a name, and the image with its last one, by the rules of ``docker rmi``.

        The bytes go with the next collection.

        Raises ImageNotFound, AmbiguousName, ImageInUse.
        """
        from store.names import tagging as removal

        with self.write("remove") as connection:
            return removal.remove(
                connection, name, force=force, prune_parents=prune_parents, now=self._clock()
            )

    def collect(self, *, dry_run: bool = False, dangling: bool = False) -> CollectionReport:
        """Free what nothing needs, beside running imports and saves.

        With ``dangling`` also images without a name.

        A dry run tries it on a copy of the catalogue: it holds up nobody, and works on a store that
        can only be read.
        """
        from store.maintenance.gc import Collector

        if dry_run:
            from store.db.sqlite.snapshot import copied

            with copied(self._engine) as copy:
                return Collector.dry_run(
                    copy, self.blobs, self.root, self._clock, dangling=dangling
                )
        return Collector(
            self.read, lambda: self.write("gc"), self.blobs, self.root, self._clock, time.monotonic
        ).run(dangling=dangling)

    def fsck(self, progress: Progress | None = None) -> Iterator[Finding]:
        """Recompute every claim from the bytes and yield all findings.

        What is found damaged is marked so.
        """
        from store.maintenance.fsck import Checker
        from store.model.progress import Silent

        checker = Checker(self.read, self.reader, self.blobs, progress or Silent())
        for finding in checker.run():
            if finding.damaged is not None:
                self.report_damage(DamagedContent(finding.finding.message, digest=finding.damaged))
            yield finding.finding


def _is_current(place: DatabaseLocation) -> bool:
    """Whether the schema is this program's.

    Raises SchemaMismatch for a newer one, ReadOnlyStore for an older one that cannot be upgraded.
    """
    state = schema_state(place)
    require_known(state)
    if not state.is_current and not place.writable:
        raise ReadOnlyStore(
            f"the store's schema is at revision {state.current} and has to be upgraded, but the"
            " store cannot be written"
        )
    return state.is_current
