"""Running operations.

A row, a folder and a held lock, made together; what one relies on is leased and dies with it.

There are no expiry times: a slow pipe loses nothing, and a killed process leaves nothing behind
that the next one does not sweep.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, final

from store.catalog import content
from store.catalog.in_progress import leases
from store.errors import InvalidDigest
from store.files.os_errors import translated
from store.model.digests import Digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Connection

    from store.blobs.protocol import BlobStore

STAGING: Final = "staging"
PUBLISHING: Final = "publishing"
"""Lists, one a line, the digests whose files the operation is about to rename into place."""


@final
@dataclass(slots=True)
class Operation:
    """A running operation.

    Its folder is its own; its lock lives exactly as long as the process lets it.
    """

    id: str
    kind: str
    folder: Path
    _lock: int
    _count: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def new_file(self) -> Path:
        """A name in the folder that was not handed out before; to be asked for by any thread."""
        return self.folder / f"{next(self._count):06d}"

    def stage(self, data: bytes) -> Path:
        """A durable file in the folder that holds ``data``."""
        path = self.new_file()
        with translated(path), path.open("xb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
            os.fsync(file.fileno())
        return path

    def let_go(self) -> None:
        """Give up the lock and leave the folder to the next sweep."""
        os.close(self._lock)

    def announce(self, digests: Iterable[Digest]) -> None:
        """Write down, durably, which files are about to be published, so that a sweep can take back what no row names."""
        path = self.folder / PUBLISHING
        with translated(path):
            with path.open("a", encoding="ascii") as file:
                file.writelines(f"{digest}\n" for digest in digests)
                file.flush()
                os.fsync(file.fileno())
            os.fsync(self._lock)


def begin(
    connection: Connection, root: Path, *, operation_id: str, kind: str, now: datetime
) -> Operation:
    """Make row, folder and lock inside the caller's immediate transaction: nobody can find one without the others."""
    folder = root / STAGING / operation_id
    with translated(folder):
        folder.mkdir(parents=True)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    leases.add_operation(connection, operation_id, kind, now, os.getpid())
    return Operation(operation_id, kind, folder, lock)


def end(connection: Connection, operation: Operation) -> None:
    """Forget the operation and its leases, inside a write transaction."""
    leases.forget_operation(connection, operation.id)


def abandon(connection: Connection, operation: Operation, blobs: BlobStore) -> None:
    """Take back what a failed operation has already renamed into place, and forget it, inside a write transaction."""
    _take_back(connection, operation.folder, blobs)
    leases.forget_operation(connection, operation.id)


def release(operation: Operation) -> None:
    """Remove the folder and let the lock go: after `end` has been committed, or when the process gives up and leaves the row to the next sweep."""
    shutil.rmtree(operation.folder, ignore_errors=True)
    operation.let_go()


def sweep(connection: Connection, root: Path, blobs: BlobStore) -> int:
    """Clear away every operation whose lock nobody holds, inside an immediate transaction.

    How many there were.

    A folder without a row is left by a process that died before its first commit; a row without a
    folder by one that died between its commit and our unlink.
    """
    staging = root / STAGING
    names = set(leases.operation_ids(connection))
    if staging.is_dir():
        names.update(entry.name for entry in staging.iterdir())
    return sum(_sweep_one(connection, staging / name, name, blobs) for name in sorted(names))


def _sweep_one(connection: Connection, folder: Path, name: str, blobs: BlobStore) -> bool:
    try:
        with translated(folder):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        leases.forget_operation(connection, name)
        return True
    try:
        with translated(folder):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                if exc.errno in (errno.EAGAIN, errno.EACCES):
                    return False
                raise
        _take_back(connection, folder, blobs)
        leases.forget_operation(connection, name)
        shutil.rmtree(folder, ignore_errors=True)
        return True
    finally:
        os.close(lock)


def _take_back(connection: Connection, folder: Path, blobs: BlobStore) -> None:
    for digest in _announced(folder / PUBLISHING):
        if not content.has_blob_row(connection, digest):
            blobs.remove(digest)


def _announced(path: Path) -> list[Digest]:
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return []
    digests = []
    for line in text.splitlines(keepends=False):
        # A list cut short by a crash was never followed by a rename: only whole lines count.
        with suppress(InvalidDigest):
            digests.append(Digest.parse(line))
    return digests
