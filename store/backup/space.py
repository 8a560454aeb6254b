"""The free space that a backup or a restore needs, looked up before anything is copied."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from store.errors import StorageFull
from store.files.os_errors import Whose, translated
from store.files.space.shortage import free_bytes

if TYPE_CHECKING:
    from pathlib import Path

_FILE_BYTES: Final = 4096
"""The space that a file takes on most file systems beside its bytes, rounded up."""


def require_space(folder: Path, size_bytes: int, files: int, what: str) -> None:
    """Check that a file system has room for what is about to be written.

    Args:
        folder: A folder on the file system.
        size_bytes: The size of all files.
        files: The number of files.
        what: What is written, for the error.

    Raises:
        StorageFull: There is too little space, or there are too few inodes.
    """
    with translated(folder, whose=Whose.OUTPUT):
        status = os.statvfs(folder)
        free = free_bytes(folder)
    needed = size_bytes + files * _FILE_BYTES
    if free < needed:
        raise StorageFull(
            f"cannot write {what} to {folder}: it needs {needed} bytes, and {free} bytes are free",
            hint="free some space on that file system, or write to another one",
        )
    # Some file systems have no fixed number of inodes, and report 0. Some keep a part for root.
    inodes = status.f_ffree if os.geteuid() == 0 else status.f_favail
    if status.f_files and inodes < files:
        raise StorageFull(
            f"cannot write {what} to {folder}: it needs {files} files, and the file system has"
            f" room for {inodes} more",
            hint="remove some files from that file system, or write to another one",
        )
