"""The translation of SQLite's errors into the store's errors, by their true causes.

SQLite reports a failed write of any cause as "disk I/O error", and a file that cannot be made as
"unable to open database file". So the folder of the database is asked what it lacks.
"""

from __future__ import annotations

import errno
import os
import resource
from typing import TYPE_CHECKING, Final

from store.errors import (
    IntegrityError,
    PermissionDenied,
    ReadOnlyStore,
    StorageFull,
    StoreBusy,
    Unavailable,
)
from store.files.os_errors import IO_HINT, translate
from store.files.space.shortage import obstacle
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from pathlib import Path

_BY_PREFIX: Final = (
    (
        ("SQLITE_READONLY",),
        ReadOnlyStore,
        "cannot write the catalogue",
        "check the permissions and the mount of the store's root",
    ),
    (
        ("SQLITE_BUSY", "SQLITE_LOCKED"),
        StoreBusy,
        "cannot lock the catalogue",
        "try again when the other process has ended",
    ),
    (
        ("SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH"),
        PermissionDenied,
        "cannot open the catalogue",
        "check the owner and permissions of the store's root",
    ),
)
_SHARED_MEMORY: Final = "SQLITE_IOERR_SHMSIZE"
_WRITES: Final = (
    "SQLITE_FULL",
    "SQLITE_CANTOPEN",
    "SQLITE_IOERR_WRITE",
    "SQLITE_IOERR_SHM",
    "SQLITE_IOERR_FSYNC",
    "SQLITE_IOERR_DIR_FSYNC",
    "SQLITE_IOERR_TRUNCATE",
)
"""The errors behind which there may be a full disk, a quota, or a read-only file system."""


def translated(error: Exception, database: Path | None) -> Exception:
    """Return the store's error for an error of SQLite; an error in this program's SQL as it is.

    Args:
        error: The error of SQLite.
        database: The database file, whose folder is asked for the cause; None if it is not known.
    """
    name = getattr(error, "sqlite_errorname", "") or ""
    if database is not None and name.startswith(_WRITES):
        cause = obstacle(database.parent) or _too_large(name, database)
        if cause is not None:
            return translate(cause, database)
    # SHMSIZE: the shared memory, which is a file, could not be made as large as it has to be.
    if name in ("SQLITE_FULL", _SHARED_MEMORY):
        return StorageFull(
            f"cannot write the catalogue: {error}",
            hint="free some space on the store's file system; nothing was changed",
            remedy=Remedy.COLLECT_GARBAGE,
        )
    for prefixes, kind, fact, hint in _BY_PREFIX:
        if name.startswith(prefixes):
            return kind(f"{fact}: {error}", hint=hint)
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        is_foreign = name.startswith("SQLITE_NOTADB")
        return IntegrityError(
            f"the catalogue is damaged: {error}",
            hint="restore store.db from a backup",
            remedy=Remedy.REPLACE_STORE if is_foreign else Remedy.CHECK_STORE,
        )
    if name.startswith("SQLITE_IOERR"):
        return Unavailable(f"cannot read or write the catalogue: {error}", hint=IO_HINT)
    # Any other error (a violated constraint, a statement that does not parse) is a bug in this
    # program and stays unchanged.
    return error


def _too_large(name: str, database: Path) -> OSError | None:
    """Return the error of a limit on the size of files, if the database or its log reaches it."""
    if not name.startswith("SQLITE_IOERR_WRITE"):
        return None
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if limit == resource.RLIM_INFINITY:
        return None
    for path in (database, database.with_name(f"{database.name}-wal")):
        try:
            size = path.stat().st_size
        except OSError:
            continue
        if size + _PAGE_BYTES > limit:
            return OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    return None


_PAGE_BYTES: Final = 2 * 4096
"""More than the largest single write of SQLite: a page with its header."""
