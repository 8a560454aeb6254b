"""Sizes of files and of whole folders."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def file_bytes(path: Path) -> int:
    """Return the size of a regular file in bytes; 0 if there is none. No link is followed.

    Args:
        path: The path of the file.
    """
    try:
        status = path.lstat()
    except OSError:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def folder_bytes(path: Path) -> int:
    """Return the total size of the regular files in a folder, at any depth. No link is followed.

    Files that vanish during the search, or that cannot be read, do not count.

    Args:
        path: The path of the folder; it need not exist.
    """
    total, folders = 0, [os.fspath(path)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        try:
                            total += entry.stat(follow_symlinks=False).st_size
                        except OSError:
                            continue
        except OSError:
            continue
    return total
