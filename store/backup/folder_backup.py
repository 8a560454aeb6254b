"""A backup into a folder: copy what the folder does not have, then give the generation its name."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from store.backup import folders
from store.backup.blob_copier import BlobCopier
from store.backup.copying import file_sha256
from store.backup.generation import (
    CATALOGUE,
    DOCUMENT,
    LIST,
    Generation,
    ListedBlob,
    Part,
    identifier,
    line,
)
from store.backup.report import BackupReport
from store.backup.repository import Repository
from store.backup.snapshot import Snapshot, held
from store.files.os_errors import Whose, translated
from store.model.progress import Progress, Silent
from store.model.waiting import WAITING, Waiting
from store.workspace.engines import check_copy

if TYPE_CHECKING:
    from pathlib import Path

    from store.model.digests import Digest
    from store.workspace.workspace import Workspace


@final
@dataclass(frozen=True, slots=True)
class FolderOptions:
    """How to back up into a folder.

    Attributes:
        keep: How many generations to keep; None for all.
        link: Whether to make hard links to the store's files in place of copies.
        waiting: How long to wait for another process that uses the backups.
    """

    keep: int | None = None
    link: bool = False
    waiting: Waiting = WAITING


def back_up_to_folder(
    workspace: Workspace,
    path: Path,
    options: FolderOptions | None = None,
    progress: Progress | None = None,
) -> BackupReport:
    """Add a generation to a folder of backups, which is made if it does not exist.

    Writers of the store need not wait. A backup that is interrupted leaves the other generations as
    they are, and the next backup does not copy the same blobs again.

    Args:
        workspace: The opened store.
        path: The folder.
        options: How to back up; None for the defaults.
        progress: Receives the progress of each blob; None if progress is not shown.

    Raises:
        Conflict: The folder has other files, or links are wanted across file systems.
        StoreBusy: Another process is using the backups.
        StorageFull: There is too little space for the new blobs.
        Unavailable: The folder cannot be written.
    """
    options = options or FolderOptions()
    repository = Repository.open_or_create(path)
    with repository.locked(exclusive=True, waiting=options.waiting):
        was_interrupted = repository.clear_partial()
        there = repository.blobs()
        work = repository.new_partial("new")

        def is_needed(digest: Digest, size_bytes: int | None) -> bool:
            return digest not in there or size_bytes not in (None, there[digest])

        with held(workspace, work / CATALOGUE, is_needed) as snapshot:
            new = [
                (digest, workspace.blobs.size(workspace.blobs.location(digest)) or 0)
                if size is None
                else (digest, size)
                for digest, size in snapshot.blobs
                if is_needed(digest, size)
            ]
            copier = BlobCopier(workspace, repository, work, link=options.link)
            copier.require_space(new)
            faults = copier.copy(new, progress or Silent())
        there.update(new)
        missing = {one.subject for one in faults}
        generation = _publish(repository, work, snapshot, there, missing)
        # Older generations may have the bytes that the store has lost.
        older = () if faults else _older(repository, options.keep, generation.id)
        freed = 0
        if older or was_interrupted:
            kept = (name for name in repository.names() if name not in older)
            named, damaged = repository.named_blobs(kept)
            if damaged:
                # Its blobs are not known, so everything stays.
                older, faults = (), [*faults, *damaged]
            else:
                for name in older:
                    repository.remove(name)
                freed = repository.remove_other_blobs(named)
    copied = [size for digest, size in new if str(digest) not in missing]
    return BackupReport(generation, len(copied), sum(copied), older, freed, tuple(faults))


def _publish(
    repository: Repository,
    work: Path,
    snapshot: Snapshot,
    sizes: dict[Digest, int],
    missing: set[str],
) -> Generation:
    name = identifier(snapshot.created, set(repository.names()))
    catalogue = work / CATALOGUE
    with ThreadPoolExecutor(2, thread_name_prefix="catalogue") as pool:
        # The disk, one processor for the hash, and another one for the check.
        synced = pool.submit(folders.sync_file, catalogue)
        sha256 = pool.submit(file_sha256, catalogue)
        schema = str(check_copy(catalogue).current)
        listed, count, total = _write_list(work / LIST, snapshot, sizes, missing)
        synced.result()
    generation = Generation(
        name,
        snapshot.created.replace(microsecond=0),
        schema,
        snapshot.images,
        count,
        total,
        len(snapshot.blobs) - count,
        Part(catalogue.stat().st_size, sha256.result()),
        listed,
    )
    folders.write_file(work / DOCUMENT, generation.to_bytes())
    folders.rename(work, work.with_name(name))
    repository.publish(work.with_name(name))
    return generation


def _write_list(
    path: Path, snapshot: Snapshot, sizes: dict[Digest, int], missing: set[str]
) -> tuple[Part, int, int]:
    """Write the list of blobs; return it with the number and the size of the blobs in it."""
    hashed = hashlib.sha256(usedforsecurity=False)
    count = total = 0
    with (
        folders.new_file(path) as descriptor,
        translated(path, whose=Whose.OUTPUT),
        os.fdopen(descriptor, "wb", closefd=False) as file,
    ):
        for digest, _ in snapshot.blobs:
            blob = ListedBlob(digest, sizes[digest], str(digest) in missing)
            text = line(blob)
            hashed.update(text)
            file.write(text)
            if not blob.is_missing:
                count, total = count + 1, total + blob.size_bytes
    return Part(path.stat().st_size, hashed.hexdigest()), count, total


def _older(repository: Repository, keep: int | None, new: str) -> tuple[str, ...]:
    """Return all but the newest generations.

    The new generation stays even if the clock was set back, so that it is not the newest by name.
    """
    older = [name for name in repository.names() if name != new]
    return () if keep is None else tuple(older[: max(0, len(older) - keep + 1)])
