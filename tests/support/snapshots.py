"""The state of a store at one moment, for comparisons: the rows of every table and the files."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

Snapshot = dict[str, object]

_FOLDERS = ("blobs", "staging", "uploads")


def snapshot(root: Path) -> Snapshot:
    """Return the tables by name, and the files with their sizes, times and digests.

    Two snapshots are equal if nothing has changed in the store between them.
    """
    taken: Snapshot = {}
    with closing(sqlite3.connect(f"file:{root / 'store.db'}?mode=ro", uri=True)) as connection:
        names = [
            name
            for (name,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
                " ORDER BY name"
            )
        ]
        for name in names:
            taken[f"table {name}"] = sorted(
                map(repr, connection.execute(f'SELECT * FROM "{name}"'))  # noqa: S608
            )
    for folder in _FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file():
                status = path.stat()
                taken[str(path.relative_to(root))] = (
                    status.st_size,
                    status.st_mtime_ns,
                    hashlib.sha256(path.read_bytes()).hexdigest(),
                )
            elif folder == "staging":
                # Staging folders are removed after use. Empty folders of blobs make no difference.
                taken[str(path.relative_to(root))] = "folder"
    return taken
