"""Errors of SQLite, and the branch of our errors that each belongs to."""

from __future__ import annotations

import sqlite3
from typing import Final

from store import errors

BRANCHES: Final = (
    ("SQLITE_FULL", errors.StorageFull),
    ("SQLITE_IOERR_SHMSIZE", errors.StorageFull),
    ("SQLITE_IOERR_WRITE", errors.Unavailable),
    ("SQLITE_IOERR_FSYNC", errors.Unavailable),
    ("SQLITE_READONLY_DBMOVED", errors.ReadOnlyStore),
    ("SQLITE_BUSY", errors.StoreBusy),
    ("SQLITE_LOCKED_SHAREDCACHE", errors.StoreBusy),
    ("SQLITE_CANTOPEN", errors.PermissionDenied),
    ("SQLITE_CORRUPT", errors.IntegrityError),
    ("SQLITE_NOTADB", errors.IntegrityError),
    ("SQLITE_IOERR_READ", errors.Unavailable),
)
"""Names of errors, and the class of ours if the folder of the database takes files."""


def refused(name: str) -> sqlite3.OperationalError:
    """Return an error of SQLite with a name, as its module raises it."""
    error = sqlite3.OperationalError("refused")
    error.sqlite_errorname = name
    return error
