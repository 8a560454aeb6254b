"""Recognise a store whose catalogue is lost, so that it is never taken for a new store.

A power cut on some file systems, or a copy onto a full disk, leaves an empty ``store.db``. A new
catalogue in its place would know none of the stored files, and a collection would remove them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from store.blobs.directory import BLOBS
from store.errors import IntegrityError, Unavailable
from store.files.os_errors import translated
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from pathlib import Path

    from store.db.schema_state import SchemaState

RESTORING: Final = "store.db.restoring"
"""The catalogue of a store that is being restored from a backup, until all blobs are there."""

MISSING: Final = "missing"
EMPTY: Final = "empty"
FOREIGN: Final = "a database of another program"


def require_file(root: Path, database: str, log: str) -> None:
    """Check the size of the database file. Call this before SQLite opens the file.

    SQLite deletes the log beside an empty database file, and the log may hold the whole catalogue.

    Args:
        root: The store's folder.
        database: The name of the database file.
        log: The name of its write-ahead log.

    Raises:
        Unavailable: A backup is being restored, or its restore was interrupted.
        IntegrityError: The file is missing or empty, and the store has content.
    """
    with translated(root / database):
        if (root / RESTORING).exists() and not (root / database).exists():
            raise Unavailable(
                f"the store at {root} is not complete: the restore of a backup has not ended",
                remedy=Remedy.CONTINUE_RESTORE,
            )
        fault = MISSING if not (root / database).exists() else EMPTY
        if fault is EMPTY and (root / database).stat().st_size > 0:
            return
        has_log = (root / log).exists() and (root / log).stat().st_size > 0
    if has_log or _has_blobs(root):
        raise _lost(root, database, fault, log if has_log else None)


def require_tables(root: Path, database: str, state: SchemaState) -> None:
    """Check that the database has the tables of a store, if the store has content.

    Args:
        root: The store's folder.
        database: The name of the database file.
        state: The revision of the schema.

    Raises:
        IntegrityError: The database has no tables or those of another program, and the store has
            content.
    """
    if (state.is_foreign or state.current is None) and _has_blobs(root):
        raise _lost(root, database, FOREIGN if state.is_foreign else EMPTY, None)


def _has_blobs(root: Path) -> bool:
    """Return whether a blob was ever published: folders of digests stay when the files are gone."""
    with translated(root / BLOBS):
        try:
            return any(entry.is_dir() for entry in (root / BLOBS).iterdir())
        except (FileNotFoundError, NotADirectoryError):
            return False


def _lost(root: Path, database: str, fault: str, log: str | None) -> IntegrityError:
    content = f"its log {log} is there" if log is not None else f"the folder {BLOBS} has content"
    copies = sorted(path.name for path in root.glob(f"{database}.*.bak"))
    return IntegrityError(
        f"the catalogue of the store at {root} is lost: {database} is {fault}, but {content}",
        hint=(
            f"restore {database} from a backup"
            + (f", or copy {copies[-1]} to {database} as a last resort" if copies else "")
        ),
        remedy=Remedy.REPLACE_STORE,
    )
