"""Find out how to open the catalogue's file, also on a full disk, and read its revision."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Final

from store.db.sqlite.engine import Access
from store.db.sqlite.location import SHARED_MEMORY, DatabaseLocation, roll_back
from store.db.sqlite.upgrade import read_schema_state
from store.errors import StorageFull
from store.files.os_errors import translate
from store.files.space.database_room import require_room
from store.files.space.shared_memory import keep_blocks
from store.files.space.shortage import free_bytes, has_no_inodes, obstacle
from store.files.write_lock import WRITE_LOCK, WriteLock
from store.model.byte_sizes import MIB

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from store.db.schema_state import SchemaState
    from store.model.waiting import Waiting


_LITTLE_ROOM: Final = MIB
"""With less than this, a file is made for a trial before SQLite makes one."""


def locate(root: Path, *, read_only: bool) -> tuple[DatabaseLocation, SchemaState]:
    """Return the location of the database at ``root``, and the revision of its schema.

    SQLite needs a small file beside the database even to read it. If it cannot be made because the
    disk is full, the location is that of a private copy.

    Args:
        root: The store's folder.
        read_only: Whether the caller only reads.

    Raises:
        StoreNotFound: There is no store at ``root``.
        StorageFull: The disk is full, and there is no room for a copy elsewhere.
        Unavailable: The database cannot be read.
    """
    location = place(root, read_only=read_only)
    try:
        return location, read_schema_state(location)
    except StorageFull as full:
        location.close()
        location = DatabaseLocation.copy_of(root, full)
        return location, _state(location)
    except BaseException:
        location.close()
        raise


def _require_name(database: Path) -> None:
    """Check that a file can be made beside a database: xfs needs more room for it than for bytes.

    Raises:
        StorageFull: There is no room for a file.
    """
    cause = obstacle(database.parent, named=True)
    if cause is not None and cause.errno == errno.ENOSPC:
        raise translate(cause, database)


def place(root: Path, *, read_only: bool) -> DatabaseLocation:
    """Return the location of the database at ``root``: that of a private copy on a full disk.

    A change that a process or a power cut has left unfinished is undone.

    Args:
        root: The store's folder.
        read_only: Whether the caller only reads.

    Raises:
        StoreNotFound: There is no store at ``root``.
        StorageFull: The disk is full, and there is no room for a copy elsewhere.
        IntegrityError: The database is damaged, and has an unfinished change.
    """
    location = DatabaseLocation.at(root, read_only=read_only)
    if location.database.parent != root:
        return location
    try:
        if not (root / SHARED_MEMORY).exists():
            require_room(location.database)
            if has_no_inodes(root):
                raise translate(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), location.database)
            if free_bytes(root) < _LITTLE_ROOM:
                _require_name(location.database)
        if location.access is not Access.IMMUTABLE:
            blocks = keep_blocks(location.database)
            if blocks is not None:
                blocks.release()
            roll_back(root)
    except StorageFull as full:
        location.close()
        return DatabaseLocation.copy_of(root, full)
    return location


def _state(location: DatabaseLocation) -> SchemaState:
    try:
        return read_schema_state(location)
    except BaseException:
        location.close()
        raise


def exclusive(root: Path, waiting: Waiting) -> AbstractContextManager[None]:
    """Keep writers out of a store, without a database.

    Args:
        root: The store's folder.
        waiting: How long to wait for another writer.
    """
    return WriteLock(root / WRITE_LOCK, waiting).held("rescue")
