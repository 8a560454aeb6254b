"""The room that SQLite needs beside a database, checked before it is used.

SQLite maps its shared memory into the process. Where a block of the file system is smaller than a
page, or where what is overwritten is copied, a write to this memory may need a new block. If there
is none, the kernel ends the process (SIGBUS), and no error can be reported.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from store.errors import StorageFull
from store.files.space.shortage import obstacle
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from pathlib import Path

LEAST_BYTES: Final = 128 * 1024
"""Four times the size of the shared memory of a log that is merged in time."""


def require_room(database: Path) -> None:
    """Check that the file system of a database has room for the files that SQLite needs.

    Args:
        database: The database file.

    Raises:
        StorageFull: Fewer bytes are free than `LEAST_BYTES`.
    """
    try:
        found = os.statvfs(database)
    except OSError:
        # The caller opens the file, and reports why that is impossible.
        return
    free = found.f_bavail * found.f_frsize
    if found.f_flag & os.ST_RDONLY or free >= LEAST_BYTES:
        return
    # Root may use more than this figure says, but not all that the file system calls free.
    if obstacle(database.parent, LEAST_BYTES) is not None:
        raise StorageFull(
            f"{database}: No space left on device: {free} bytes are free, and the catalogue needs"
            f" {LEAST_BYTES}",
            hint="free some space and try again; nothing was changed",
            remedy=Remedy.COLLECT_GARBAGE,
        )
