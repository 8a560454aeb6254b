"""Running operations: a row, a folder and a held lock that are made and removed together.

An operation leases the content that it relies on; its leases end with it. There are no expiry
times: a slow pipe loses nothing, and what a killed process leaves behind is swept by the next
operation.
"""

from __future__ import annotations

import itertools
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, final

from store.catalog import content
from store.catalog.in_progress import leases
from store.errors import InvalidDigest
from store.files.durable import sync_folder
from store.files.os_errors import translated
from store.model.digests import Digest
from store.workspace.file_locks import STAGING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Connection

    from store.blobs.protocol import BlobStore
    from store.workspace.locks import Lock, Locks

PUBLISHING: Final = "publishing"
"""The file in an operation's folder that lists the digests of files about to be renamed into
place, one a line."""


@final
@dataclass(slots=True)
class Operation:
    """A running operation. Only this operation uses its folder.

    Attributes:
        id: The operation's name, unique in the store.
        kind: The verb, such as ``import``.
        folder: The operation's folder for staged files.
    """

    id: str
    kind: str
    folder: Path
    _lock: Lock
    _count: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def new_file(self) -> Path:
        """Return a path in the folder that was not returned before. Any thread may call this."""
        return self.folder / f"{next(self._count):06d}"

    def stage(self, data: bytes) -> Path:
        """Write ``data`` durably to a new file in the folder; return its path."""
        path = self.new_file()
        with translated(path), path.open("xb", buffering=0) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
            os.fsync(file.fileno())
        return path

    def release_lock(self) -> None:
        """Release the lock and leave row and folder to the next sweep."""
        self._lock.release()

    def announce(self, digests: Iterable[Digest]) -> None:
        """Record durably which files are about to be published.

        A sweep removes the listed files that no row names.
        """
        path = self.folder / PUBLISHING
        with translated(path), path.open("a", encoding="ascii") as file:
            file.writelines(f"{digest}\n" for digest in digests)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self.folder)


def begin(
    connection: Connection,
    root: Path,
    locks: Locks,
    *,
    operation_id: str,
    kind: str,
    now: datetime,
) -> Operation:
    """Make an operation's row, folder and lock.

    All three are made in the caller's write unit, so no other process sees one without the others.

    Args:
        connection: A write unit.
        root: The store's folder.
        locks: The store's locks.
        operation_id: A name that no other operation has.
        kind: The verb, such as ``import``.
        now: The time at which the operation starts.
    """
    folder = root / STAGING / operation_id
    with translated(folder):
        folder.mkdir(parents=True)
    lock = locks.lock_operation(operation_id)
    assert lock is not None  # noqa: S101 - sweeps run in write units too, and this is one
    leases.add_operation(connection, operation_id, kind, now, os.getpid())
    return Operation(operation_id, kind, folder, lock)


def end(connection: Connection, operation: Operation) -> None:
    """Remove the operation's row and leases, in a write unit."""
    leases.forget_operation(connection, operation.id)


def abandon(connection: Connection, operation: Operation, blobs: BlobStore) -> None:
    """Remove what a failed operation has already published, and its row, in a write unit."""
    _remove_announced(connection, operation.folder, blobs)
    leases.forget_operation(connection, operation.id)


def release(operation: Operation) -> None:
    """Remove the folder and release the lock.

    Call this after the unit of `end` or `abandon` has been committed.
    """
    shutil.rmtree(operation.folder, ignore_errors=True)
    operation.release_lock()


def sweep(connection: Connection, root: Path, blobs: BlobStore, locks: Locks) -> int:
    """Remove every operation whose lock is free; return how many there were.

    A process that died before its first commit leaves a folder without a row. A process that died
    between its last commit and the removal of its folder leaves one too.

    Args:
        connection: A write unit.
        root: The store's folder.
        blobs: Where the operations have published.
        locks: The store's locks.
    """
    staging = root / STAGING
    names = set(leases.operation_ids(connection))
    if staging.is_dir():
        names.update(entry.name for entry in staging.iterdir())
    return sum(_sweep_one(connection, staging / name, blobs, locks) for name in sorted(names))


def _sweep_one(connection: Connection, folder: Path, blobs: BlobStore, locks: Locks) -> bool:
    lock = locks.lock_operation(folder.name)
    if lock is None:
        return False
    try:
        _remove_announced(connection, folder, blobs)
        leases.forget_operation(connection, folder.name)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        lock.release()
    return True


def _remove_announced(connection: Connection, folder: Path, blobs: BlobStore) -> None:
    for digest in _announced(folder / PUBLISHING):
        if not content.has_blob_row(connection, digest):
            blobs.remove(blobs.location(digest))


def _announced(path: Path) -> list[Digest]:
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return []
    digests = []
    for line in text.splitlines(keepends=False):
        # A list that a crash cut short was never followed by a rename: only whole lines count.
        with suppress(InvalidDigest):
            digests.append(Digest.parse(line))
    return digests
