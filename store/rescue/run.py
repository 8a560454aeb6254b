"""The rescue of a store whose catalogue is lost: a new catalogue from stored files and documents.

The new catalogue is built in a folder of its own. It takes the place of the old one when it is
complete, so a rescue that is interrupted changes nothing that the next rescue needs. Nothing is
deleted: the old catalogue is moved into quarantine.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from store.blobs.directory import BLOBS, DirectoryBlobs, require_one_file_system
from store.blobs.folders import QUARANTINE
from store.catalog.documents import document_bytes, put_documents
from store.content.decoding import Decoding
from store.db.database import Durability
from store.documents.folder import DOCUMENTS, LOG, set_aside_name
from store.errors import Conflict, StoreBusy, StoreNotFound, printable
from store.files.creation import create_folder, open_folder
from store.files.lock_holders import users
from store.files.os_errors import translated
from store.maintenance import document_log
from store.model.progress import part
from store.model.remedies import Remedy
from store.rescue import graph as graphs
from store.rescue import recorded as recorded_log
from store.rescue.catalogue import Builder
from store.rescue.files import FileReader
from store.rescue.report import Loss, LossKind, RescueReport
from store.workspace import copied_root, engines, root_folder
from store.workspace.workspace import Workspace, utc_now

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from store.model.digests import Digest
    from store.model.progress import Progress
    from store.model.waiting import Waiting
    from store.rescue.recorded import Recorded

NAME: Final = "rescue"
_TIME: Final = "%Y%m%dT%H%M%SZ"


def rescue(
    root: Path,
    *,
    progress: Progress,
    waiting: Waiting,
    dry_run: bool = False,
    force: bool = False,
    clock: Callable[[], datetime] = utc_now,
) -> RescueReport:
    """Make the catalogue of a store again, from its files and its document log.

    Args:
        root: The store's folder.
        progress: Receives the bytes of files that are read.
        waiting: How long to wait for another writer.
        dry_run: Whether to leave the store as it is.
        force: Whether to replace a catalogue that is sound.
        clock: Returns the current time, in UTC.

    Returns:
        What was found again, and what is lost.

    Raises:
        StoreNotFound: There are neither stored files nor documents.
        Conflict: The catalogue is sound, and ``force`` is False.
        StoreBusy: Another process uses the store.
        PermissionDenied: Another user owns the store, or may change it.
        Unavailable: The store cannot be read or written.
    """
    resolved = root_folder.trusted(root, read_only=False, is_store=True)
    if not any((resolved / name).is_dir() for name in (BLOBS, DOCUMENTS)):
        raise StoreNotFound(
            f"there is no store at {printable(str(resolved))}", remedy=Remedy.CREATE_STORE
        )
    require_one_file_system(resolved)
    with engines.write_lock(resolved, waiting):
        _refuse_users(resolved)
        if not force and engines.is_sound(resolved):
            raise Conflict(
                f"the catalogue of the store at {resolved} is sound: a rescue would only lose what"
                " the documents do not have, such as the history",
                remedy=Remedy.REPLACE_SOUND_CATALOGUE,
            )
        report = _rescue(resolved, progress, clock, dry_run=dry_run)
    if not dry_run:
        # The report counts the files that no document names: a copy is not the cause of them.
        copied_root.accept(resolved, engines.DATABASE_FILES[0])
        with Workspace.open(resolved, clock=clock) as workspace:
            document_log.refresh(workspace)
    return report


def _refuse_users(root: Path) -> None:
    found = users(root, engines.DATABASE_FILES)
    if found:
        raise StoreBusy(
            f"cannot rescue the store at {root}: {found[0]} uses it",
            hint="stop all programs that use the store, and run the rescue again",
        )


def _rescue(
    root: Path, progress: Progress, clock: Callable[[], datetime], *, dry_run: bool
) -> RescueReport:
    folder = root / root_folder.RESCUE
    # An interrupted rescue has left it; nothing in it is needed.
    shutil.rmtree(folder, ignore_errors=True)
    with translated(folder):
        create_folder(folder)
    try:
        report = _build(root, folder, progress, clock, dry_run=dry_run)
        if dry_run:
            return report
        return _put_in_place(root, folder, report, clock())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _build(
    root: Path,
    folder: Path,
    progress: Progress,
    clock: Callable[[], datetime],
    *,
    dry_run: bool,
) -> RescueReport:
    engines.upgrade(folder, now=clock)
    database = engines.open_alone(folder, now=clock)
    blobs = DirectoryBlobs(root)
    try:

        def put(documents: Mapping[Digest, bytes]) -> None:
            with database.write(NAME, Durability.SOON) as connection:
                put_documents(connection, documents)

        recorded = recorded_log.read(root, put)
        digests = sorted(map(blobs.digest, blobs.locations())) if (root / BLOBS).is_dir() else []
        file_bytes = sum(blobs.size(blobs.location(digest)) or 0 for digest in digests)
        reader = FileReader(blobs, Decoding(), progress)
        # One connection does all: each has a cache of its own.
        with database.write(NAME, Durability.SYNCED) as connection:
            manifest_bytes = document_bytes(connection, recorded.manifests)
            progress.total(file_bytes + manifest_bytes)
            graph = graphs.find(connection, recorded)
            builder = Builder(connection, recorded, graph, clock(), reader.small_file)
            # Manifests are inserted first: they say what the files are.
            with part(progress, "manifests", manifest_bytes) as advance:
                builder.add_manifests(advance)
            reader.algorithms = builder.algorithms or {"sha256"}
            builder.add_files(reader.read_all(digests, max(2, os.cpu_count() or 1)))
            tags, repositories = builder.add_names()
    finally:
        database.close()
    if not dry_run:
        # The file is moved without its log.
        engines.merge_log(folder)
    return RescueReport(
        images=builder.image_count,
        manifests=len(graph.alive),
        tags=tags,
        repositories=repositories,
        layers=builder.layer_count,
        files=builder.files,
        unknown_files=builder.unknown_files,
        unknown_bytes=builder.unknown_bytes,
        until=recorded.until,
        set_aside="",
        losses=(*_losses_of_log(recorded), *builder.losses),
        is_dry_run=dry_run,
    )


def _losses_of_log(recorded: Recorded) -> list[Loss]:
    name = f"{DOCUMENTS}/{LOG}"
    if not recorded.has_log or (recorded.until is None and not recorded.documents):
        reason = "there is no copy of the documents: no image can be put together from files alone"
        return [Loss(LossKind.LOG, name, reason)]
    if recorded.gaps:
        reason = f"{recorded.gaps} damaged place(s), {recorded.gap_bytes} bytes, before its end"
        return [Loss(LossKind.LOG, name, reason)]
    if recorded.bad_documents:
        reason = f"{recorded.bad_documents} document(s) do not have their digest"
        return [Loss(LossKind.LOG, name, reason)]
    return []


def _put_in_place(root: Path, folder: Path, report: RescueReport, now: datetime) -> RescueReport:
    """Move the old catalogue and the old log aside, and the new catalogue to its place."""
    stamp = now.strftime(_TIME)
    aside = ""
    database, *others = engines.DATABASE_FILES[:3]
    with translated(root), open_folder(root) as top, open_folder(folder) as made:
        # The database first: without it, every command refuses the store until the new one is here.
        there = [name for name in (database, *others) if (root / name).exists()]
        if there:
            aside = f"{QUARANTINE}/{_free(root / QUARANTINE, f'{stamp}-catalogue')}"
            with open_folder(root, *aside.split("/"), create=True) as target:
                for name in there:
                    os.rename(name, name, src_dir_fd=top, dst_dir_fd=target)
                os.fsync(target)
            os.fsync(top)
        os.rename(database, database, src_dir_fd=made, dst_dir_fd=top)
        os.fsync(top)
        if (root / DOCUMENTS / LOG).exists():
            with open_folder(root, DOCUMENTS) as documents:
                name = set_aside_name(now, os.listdir(documents))  # noqa: PTH208 - a descriptor
                os.rename(LOG, name, src_dir_fd=documents, dst_dir_fd=documents)
    return replace(report, set_aside=aside)


def _free(folder: Path, name: str) -> str:
    candidates = [name, *(f"{name}-{number}" for number in range(2, 1000))]
    return next(one for one in candidates if not (folder / one).exists())
