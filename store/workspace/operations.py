"""Running operations: a row, a folder and a held lock that are made and removed together.

Until an operation ends, it leases the content that it relies on. Operations do not expire, so a
slow pipe does not lose its work. The next operation sweeps the remains of a killed process.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO, Final, final

from store.catalog import content
from store.catalog.in_progress import leases
from store.errors import InvalidDigest
from store.files.creation import NO_FOLLOW, create_file, create_folder, open_folder
from store.files.durable import sync_folder
from store.files.os_errors import translated
from store.files.sizes import folder_bytes
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

_IDENTIFIER: Final = re.compile(r"[a-z]{1,32}-[0-9a-f]{20}")
"""IDs of operations. Nothing in `STAGING` with a different name is ever removed."""


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
    _has_list: bool = False

    def new_file(self) -> Path:
        """Return a new path in the folder. Any thread may call this."""
        return self.folder / f"{next(self._count):06d}"

    def stage(self, data: bytes) -> Path:
        """Write ``data`` durably to a new file in the folder; return its path."""
        path = self.new_file()
        with translated(path), self.create(path) as file:
            view = memoryview(data)
            while view:
                view = view[file.write(view) :]
            os.fsync(file.fileno())
        return path

    def create(self, path: Path) -> BinaryIO:
        """Create a file in the folder; return the file, open for writing and unbuffered.

        Args:
            path: A path that `new_file` returned.

        Raises:
            OSError: The file cannot be created.
        """
        return os.fdopen(create_file(path), "wb", buffering=0)

    def release_lock(self) -> None:
        """Release the lock; leave the row and the folder to the next sweep."""
        self._lock.release()

    def prepare_list(self) -> None:
        """Make the empty list of announced blobs, so that `announce` is fast in a write unit."""
        path = self.folder / PUBLISHING
        with translated(path):
            os.close(_open_for_appending(path))
        sync_folder(self.folder)
        self._has_list = True

    def announce(self, digests: Iterable[Digest]) -> None:
        """Record durably which blobs are about to be published.

        A sweep removes the listed blobs that have no row.
        """
        path = self.folder / PUBLISHING
        with translated(path), os.fdopen(_open_for_appending(path), "a", encoding="ascii") as file:
            file.writelines(f"{digest}\n" for digest in digests)
            file.flush()
            os.fsync(file.fileno())
        if not self._has_list:
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
        operation_id: A new, unique ID: ``kind``, a hyphen, and 20 lowercase hexadecimal digits.
        kind: The command or request, such as ``import``.
        now: The start time of the operation.
    """
    folder = root / STAGING / operation_id
    assert _IDENTIFIER.fullmatch(operation_id), operation_id  # noqa: S101 - sweeps know this form
    with translated(folder):
        try:
            create_folder(folder)
        except FileNotFoundError:
            with suppress(FileExistsError):
                create_folder(folder.parent)
            create_folder(folder)
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


def remove_staged(operation: Operation) -> None:
    """Remove the staged files of a failed operation, but not the list of announced blobs."""
    with suppress(OSError), open_folder(operation.folder) as folder, os.scandir(folder) as entries:
        for entry in entries:
            if entry.name != PUBLISHING:
                with suppress(OSError):
                    os.unlink(entry.name, dir_fd=folder)


def release(operation: Operation) -> None:
    """Remove the folder and release the lock.

    Call this after the unit of `end` or `abandon` has been committed.
    """
    _remove_folder(operation.folder)
    operation.release_lock()


@final
@dataclass(slots=True)
class Swept:
    """What a sweep has removed, or would remove.

    Attributes:
        operations: The IDs of the operations.
        published_files: The number of removed blobs that have no row.
        freed_bytes: The size of all removed files in bytes.
    """

    operations: list[str] = field(default_factory=list)
    published_files: int = 0
    freed_bytes: int = 0


def dead(connection: Connection, root: Path, locks: Locks) -> Swept:
    """Return what `sweep` would remove. Blobs that have no row are not counted.

    Args:
        connection: A read unit.
        root: The store's folder.
        locks: The store's locks.
    """
    found = Swept()
    for name in sorted(set(leases.operation_ids(connection)) | _folders(root)):
        lock = locks.lock_operation(name) if _IDENTIFIER.fullmatch(name) else None
        if lock is not None:
            lock.release()
            found.operations.append(name)
            found.freed_bytes += folder_bytes(root / STAGING / name)
    return found


def sweep(connection: Connection, root: Path, blobs: BlobStore, locks: Locks) -> Swept:
    """Remove every operation whose lock is free; return what was removed.

    A folder has no row if its process died before the first commit, or between the last commit and
    the removal of the folder.

    Args:
        connection: A write unit.
        root: The store's folder.
        blobs: The blob store to which the operations have published.
        locks: The store's locks.
    """
    names = set(leases.operation_ids(connection)) | _folders(root)
    swept = Swept()
    for name in sorted(names):
        _sweep_one(connection, root, name, blobs, locks, swept)
    return swept


def _folders(root: Path) -> set[str]:
    """Return the names of the folders of operations; leave out everything else in `STAGING`."""
    try:
        with (
            translated(root / STAGING),
            open_folder(root, STAGING) as staging,
            os.scandir(staging) as entries,
        ):
            return {
                entry.name
                for entry in entries
                if _IDENTIFIER.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
            }
    except FileNotFoundError:
        return set()


def _sweep_one(
    connection: Connection, root: Path, name: str, blobs: BlobStore, locks: Locks, swept: Swept
) -> None:
    if not _IDENTIFIER.fullmatch(name):
        # Only somebody else can have written this row. The name may be a path, such as "../..".
        leases.forget_operation(connection, name)
        return
    lock = locks.lock_operation(name)
    if lock is None:
        return
    folder = root / STAGING / name
    try:
        swept.operations.append(name)
        swept.freed_bytes += folder_bytes(folder)
        removed = _remove_announced(connection, folder, blobs)
        swept.published_files += len(removed)
        swept.freed_bytes += sum(removed)
        leases.forget_operation(connection, name)
        _remove_folder(folder)
    finally:
        lock.release()


def _remove_folder(folder: Path) -> None:
    with suppress(OSError), open_folder(folder.parent) as staging:
        shutil.rmtree(folder.name, ignore_errors=True, dir_fd=staging)


def _open_for_appending(path: Path) -> int:
    try:
        return create_file(path)
    except FileExistsError:
        return os.open(path, os.O_WRONLY | os.O_APPEND | NO_FOLLOW)


def _remove_announced(connection: Connection, folder: Path, blobs: BlobStore) -> list[int]:
    """Remove the announced blobs that have no row; return the size of each removed file."""
    removed = []
    for digest in _announced(folder / PUBLISHING):
        if not content.has_blob_row(connection, digest):
            location = blobs.location(digest)
            if blobs.size(location) is not None:
                removed.append(blobs.remove(location))
    return removed


def _announced(path: Path) -> list[Digest]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | NO_FOLLOW)
    except FileNotFoundError:
        return []
    with os.fdopen(descriptor, encoding="ascii", errors="replace") as file:
        text = file.read()
    digests = []
    for line in text.splitlines(keepends=False):
        # If a crash cut the list short, no file was renamed, so an incomplete line can be ignored.
        with suppress(InvalidDigest):
            digests.append(Digest.parse(line))
    return digests
