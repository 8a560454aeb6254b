"""Running operations: a row, a folder and a held lock that are made and removed together.

Until an operation ends, it leases the content that it relies on. Operations do not expire, so a
slow pipe does not lose its work. The next operation sweeps the remains of a killed process.
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
"""The file in an operation's folder that lists the digests of files about to be published.

Each line is one digest.
"""


@final
@dataclass(slots=True)
class Operation:
    """A running operation. Only this operation uses its folder.

    Attributes:
        id: Unique ID in the store.
        kind: The command or request, such as ``import``.
        folder: The operation's folder for staged files.
    """

    id: str
    kind: str
    folder: Path
    _lock: Lock
    _count: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def new_file(self) -> Path:
        """Return a new path in the folder. Any thread may call this."""
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
        """Release the lock; leave the row and the folder to the next sweep."""
        self._lock.release()

    def announce(self, digests: Iterable[Digest]) -> None:
        """Record durably which blobs are about to be published.

        A sweep removes the listed blobs that have no row.
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

    All three are made in the caller's write unit, so no other process sees an operation that is
    incomplete.

    Args:
        connection: A write unit.
        root: The store's folder.
        locks: The store's locks.
        operation_id: A new, unique ID.
        kind: The command or request, such as ``import``.
        now: The start time of the operation.
    """
    folder = root / STAGING / operation_id
    with translated(folder):
        folder.mkdir(parents=True)
    lock = locks.lock_operation(operation_id)
    assert lock is not None  # noqa: S101 - only sweeps take it, in write units, and this is one
    leases.add_operation(connection, operation_id, kind, now, os.getpid())
    return Operation(operation_id, kind, folder, lock)


def end(connection: Connection, operation: Operation) -> None:
    """Remove the operation's row and leases, in a write unit."""
    leases.forget_operation(connection, operation.id)


def abandon(connection: Connection, operation: Operation, blobs: BlobStore) -> None:
    """Remove a failed operation's row, and the blobs that it has published, in a write unit."""
    _remove_announced(connection, operation.folder, blobs)
    leases.forget_operation(connection, operation.id)


def release(operation: Operation) -> None:
    """Remove the folder and release the lock.

    Call this after the unit of `end` or `abandon` has been committed.
    """
    shutil.rmtree(operation.folder, ignore_errors=True)
    operation.release_lock()


def sweep(connection: Connection, root: Path, blobs: BlobStore, locks: Locks) -> int:
    """Remove every operation whose lock is free; return the number of removed operations.

    A folder has no row if its process died before the first commit, or between the last commit and
    the removal of the folder.

    Args:
        connection: A write unit.
        root: The store's folder.
        blobs: The blob store to which the operations have published.
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
        # If a crash cut the list short, no file was renamed, so an incomplete line can be ignored.
        with suppress(InvalidDigest):
            digests.append(Digest.parse(line))
    return digests
