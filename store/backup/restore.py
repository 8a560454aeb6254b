"""The restore of a backup into a new root.

The copy of the catalogue is first written as ``store.db.restoring``, and gets its name after all
blobs. So an interrupted restore is not a store, and the next one does not copy the blobs again.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, final

from store.backup.affected import with_images
from store.backup.copying import FileWriter
from store.backup.report import Fault, FaultKind, RestoreReport
from store.backup.space import require_space
from store.blobs.directory import BLOBS, DirectoryBlobs
from store.errors import Conflict, IntegrityError, StoreBusy, printable
from store.files.creation import NO_FOLLOW, create_file, create_folder, open_folder
from store.files.durable import sync_folder
from store.files.os_errors import translated
from store.files.sizes import file_bytes
from store.model.progress import Progress, Silent
from store.model.remedies import Remedy
from store.workspace import root_folder
from store.workspace.engines import DATABASE_FILES, check_copy
from store.workspace.file_locks import STAGING
from store.workspace.lost_catalogue import RESTORING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from store.backup.generation import ListedBlob
    from store.backup.sources import Fill, Source, Write
    from store.model.digests import Digest

_OPERATION: Final = "restore-" + "0" * 20
"""The folder of staged files. Its name is that of an operation, so that a collection removes it."""

_CATALOGUE: Final = DATABASE_FILES[0]


def restore(
    root: Path,
    source: Source,
    *,
    group: int | None = None,
    partial: bool = False,
    progress: Progress | None = None,
    now: Callable[[], datetime],
) -> RestoreReport:
    """Make a store from a backup. Every blob is checked against its digest while it is copied.

    Args:
        root: The folder of the new store; it is new or empty, or an interrupted restore has left
            it.
        source: The backup.
        group: The group that shares the store; None for a store of one user.
        partial: Whether to make the store although blobs of the backup are damaged or missing.
        progress: Receives the progress of each blob; None if progress is not shown.
        now: Returns the current time, in UTC.

    Raises:
        Conflict: There is a store, or the folder has other files.
        IntegrityError: The backup is damaged. Nothing answers as a store; what was restored stays
            for the next attempt.
        SchemaMismatch: A newer program made the backup.
        StorageFull: There is too little space.
        StoreBusy: Another process restores a backup into the folder.
    """
    progress = progress or Silent()
    resolved = _prepared(root, group)
    with _catalogue(resolved) as descriptor:
        _copy_catalogue(resolved, source, descriptor)
        target = _Target(resolved)
        missing = [_lost_before(blob) for blob in source.blobs if blob.is_missing]
        wanted = {
            blob.digest
            for blob in source.blobs
            if not blob.is_missing and target.size(blob.digest) != blob.size_bytes
        }
        sizes = [blob.size_bytes for blob in source.blobs if blob.digest in wanted]
        require_space(resolved, sum(sizes), len(sizes), "the store")
        progress.total(sum(sizes))
        faults = source.each_blob(lambda blob: blob.digest in wanted, target.receive, progress)
        target.finish({blob.digest for blob in source.blobs})
        faults = with_images(faults, resolved / RESTORING, now)
        if faults and not partial:
            raise Incomplete(source.generation.id, faults)
        with translated(resolved):
            (resolved / RESTORING).rename(resolved / _CATALOGUE)
        sync_folder(resolved)
        missing = with_images(missing, resolved / _CATALOGUE, now)
    return RestoreReport(
        source.generation, target.blobs, target.size_bytes, tuple(faults), tuple(missing)
    )


class Incomplete(IntegrityError):
    """A backup of which some files are damaged, missing or unreadable.

    Attributes:
        faults: The findings.
    """

    def __init__(self, generation: str, faults: list[Fault]) -> None:
        super().__init__(
            f"cannot restore generation {generation}: {len(faults)} file(s) of the backup are"
            " damaged, missing or unreadable",
            remedy=Remedy.RESTORE_PARTLY,
        )
        self.faults = tuple(faults)


def _lost_before(blob: ListedBlob) -> Fault:
    return Fault(FaultKind.MISSING, str(blob.digest), "the store had lost it before the backup")


def _prepared(root: Path, group: int | None) -> Path:
    """Make the folders of a store, without a catalogue; return the path of the root."""
    try:
        names = {entry.name for entry in root.iterdir()}
    except (FileNotFoundError, NotADirectoryError):
        names = set()
    blobs = root / BLOBS
    if _CATALOGUE in names or (RESTORING not in names and blobs.is_dir() and any(blobs.iterdir())):
        raise Conflict(
            f"cannot restore into {printable(str(root))}: there is a store",
            hint="name a new or empty folder, and put it in the place of the old store afterwards",
        )
    return root_folder.create(root, group=group)


@contextmanager
def _catalogue(root: Path) -> Iterator[int]:
    """Open the catalogue that is being restored, and lock it; create it if there is none."""
    path = root / RESTORING
    with translated(path):
        try:
            descriptor = create_file(path, os.O_RDWR)
        except FileExistsError:
            descriptor = os.open(path, os.O_RDWR | NO_FOLLOW)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            if exc.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            raise StoreBusy(
                f"another process is restoring a backup into {root}",
                hint="try again when the other process has ended",
            ) from None
        yield descriptor
    finally:
        os.close(descriptor)


def _copy_catalogue(root: Path, source: Source, descriptor: int) -> None:
    path = root / RESTORING
    part = source.generation.catalogue
    with translated(path):
        os.ftruncate(descriptor, 0)
    require_space(root, part.size_bytes, 1, "the catalogue")
    source.copy_catalogue(_writing(path, descriptor))
    with translated(path):
        os.fsync(descriptor)
    sync_folder(root)
    check_copy(path)


def _writing(path: Path, descriptor: int) -> Write:
    writer = FileWriter(descriptor)

    def write(view: memoryview) -> None:
        with translated(path):
            writer.write(view)

    return write


@final
class _Target:
    """The blobs of a store that is being restored. Threads may call `receive` at the same time.

    Attributes:
        blobs: The number of blobs received.
        size_bytes: Their size.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._store = DirectoryBlobs(root)
        self._staging = root / STAGING / _OPERATION
        with translated(self._staging), suppress(FileExistsError):
            create_folder(self._staging)
        self._turn = threading.Lock()
        self.blobs = 0
        self.size_bytes = 0

    def size(self, digest: Digest) -> int | None:
        """Return the size of a blob that an interrupted restore has copied; None if it has not."""
        return file_bytes(self._store.path(digest)) or None

    def receive(self, blob: ListedBlob, fill: Fill) -> None:
        """Write a blob durably, and give it its name if its bytes are sound."""
        path = self._staging / blob.digest.hex
        with translated(path):
            path.unlink(missing_ok=True)
            descriptor = create_file(path)
        try:
            fill(_writing(path, descriptor))
            with translated(path):
                os.fsync(descriptor)
        except BaseException:
            with suppress(OSError):
                path.unlink()
            raise
        finally:
            os.close(descriptor)
        algorithm, fan, name = self._store.location(blob.digest).split("/")
        with (
            translated(self._store.path(blob.digest)),
            open_folder(self._root, BLOBS, algorithm, fan, create=True) as parent,
        ):
            os.replace(path, name, dst_dir_fd=parent)
        with self._turn:
            self.blobs += 1
            self.size_bytes += blob.size_bytes

    def finish(self, named: set[Digest]) -> None:
        """Make the names of all blobs durable; remove those of another, interrupted restore."""
        for digest in list(self._store.digests()):
            if digest not in named:
                self._store.remove(self._store.location(digest))
        with translated(self._root):
            algorithms = [one for one in (self._root / BLOBS).iterdir() if one.is_dir()]
            fans = [fan for one in algorithms for fan in one.iterdir() if fan.is_dir()]
            with suppress(OSError):
                self._staging.rmdir()
        for folder in (*fans, *algorithms, self._root / BLOBS):
            sync_folder(folder)
