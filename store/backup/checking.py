"""The check of backups: every byte is read again and hashed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from store.backup import folders
from store.backup.affected import with_images
from store.backup.generation import CATALOGUE, ListedBlob
from store.backup.report import CheckReport, Fault, FaultKind
from store.backup.repository import DAMAGED
from store.backup.sources import ArchiveSource, FaultyFile, pass_file_on, read_blobs
from store.errors import IntegrityError, InvalidDocument, NotFound, StoreError
from store.files.page_cache import write_all
from store.model.digests import Digest
from store.model.progress import Progress, Silent
from store.workspace.engines import check_copy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from store.backup.generation import Generation
    from store.backup.repository import Repository
    from store.backup.sources import Fill


def check_folder(
    repository: Repository,
    names: Sequence[str],
    progress: Progress | None = None,
    *,
    now: Callable[[], datetime],
) -> CheckReport:
    """Check generations of a folder of backups: documents, catalogues and blobs.

    A blob with wrong bytes is renamed, so that the next backup copies it again if the store still
    has it.

    Args:
        repository: The folder, whose lock is held.
        names: The generations to check.
        progress: Receives the progress of each blob; None if progress is not shown.
        now: Returns the current time, in UTC.
    """
    progress = progress or Silent()
    faults: list[Fault] = []
    sound: list[Generation] = []
    blobs: dict[Digest, ListedBlob] = {}
    users: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        try:
            generation = repository.generation(name)
            listed = repository.listed(name, sha256=generation.list.sha256)
        except (IntegrityError, InvalidDocument, NotFound) as exc:
            faults.append(repository.fault(name, exc))
            continue
        faults += _check_catalogue(repository.catalogue(name), generation)
        sound.append(generation)
        for blob in listed:
            if not blob.is_missing:
                blobs[blob.digest] = blob
                users[str(blob.digest)].append(name)
    progress.total(sum(blob.size_bytes for blob in blobs.values()))
    found = read_blobs(repository, blobs.values(), _receive, progress)
    for fault in found:
        if fault.kind is FaultKind.DAMAGED:
            _set_aside(repository, Digest.parse(fault.subject))
    faults += _with_generations(repository, found, users, now)
    sizes = [blob.size_bytes for blob in blobs.values()]
    return CheckReport(tuple(sound), len(sizes), sum(sizes), tuple(faults))


def check_archive(
    source: ArchiveSource, progress: Progress | None = None, *, now: Callable[[], datetime]
) -> CheckReport:
    """Check an archive with a backup.

    Args:
        source: The archive; only its documents were read.
        progress: Receives the progress of each blob; None if progress is not shown.
        now: Returns the current time, in UTC.

    Raises:
        InvalidInput: The archive is cut short, or has other members.
        IntegrityError: The copy of the catalogue is damaged.
    """
    progress = progress or Silent()
    generation = source.generation
    progress.total(generation.blob_bytes)
    with TemporaryDirectory(prefix="storectl-") as folder:
        catalogue = Path(folder) / CATALOGUE
        with catalogue.open("wb", buffering=0) as file:
            source.copy_catalogue(lambda view: write_all(file, view))
        check_copy(catalogue)
        found = source.each_blob(lambda blob: not blob.is_missing, _receive, progress)
        faults = with_images(found, catalogue, now)
    named = tuple(replace(fault, generations=(generation.id,)) for fault in faults)
    return CheckReport((generation,), generation.blobs, generation.blob_bytes, named)


def _receive(blob: ListedBlob, fill: Fill) -> None:
    del blob
    fill(lambda _: None)


def _check_catalogue(path: Path, generation: Generation) -> list[Fault]:
    try:
        pass_file_on(path, generation.catalogue, lambda _: None)
        check_copy(path)
    except FaultyFile as exc:
        return [replace(exc.fault, generations=(generation.id,))]
    except StoreError as exc:
        return [Fault(FaultKind.DAMAGED, str(path), exc.message, generations=(generation.id,))]
    return []


def _set_aside(repository: Repository, digest: Digest) -> None:
    path = repository.blob(digest)
    try:
        folders.rename(path, path.with_name(path.name + DAMAGED))
    except (StoreError, FileNotFoundError):
        # The folder cannot be written. The finding is reported all the same.
        return


def _with_generations(
    repository: Repository,
    found: list[Fault],
    users: dict[str, list[str]],
    now: Callable[[], datetime],
) -> list[Fault]:
    """Return the faults with the generations and the images that they affect."""
    named = {
        fault.subject: replace(fault, generations=tuple(users[fault.subject])) for fault in found
    }
    for name in dict.fromkeys(name for fault in named.values() for name in fault.generations):
        some = [fault for fault in named.values() if name in fault.generations]
        named.update(
            (one.subject, one) for one in with_images(some, repository.catalogue(name), now)
        )
    return [named[subject] for subject in sorted(named)]
