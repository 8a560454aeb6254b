"""Make folders, and make sure that the names in a folder survive a power cut.

A new or renamed file is durable only after an fsync of its folder.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from store.files.os_errors import Whose, translated

if TYPE_CHECKING:
    from pathlib import Path


def sync_folder(path: Path, *, whose: Whose = Whose.STORE) -> None:
    """Make the names in a folder durable.

    Args:
        path: The folder to sync.
        whose: Whose files these are; this chooses the hint of an error.

    Raises:
        Unavailable: The folder cannot be synced.
    """
    with translated(path, whose=whose):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_folder(path: Path, *, whose: Whose = Whose.STORE) -> None:
    """Make a folder and the missing folders above it, and make their names durable.

    The caller has to sync the entries of the new folder.

    Args:
        path: The folder; nothing happens if it exists.
        whose: Whose files these are; this chooses the hint of an error.

    Raises:
        Unavailable: A folder cannot be made or synced.
    """
    with translated(path, whose=whose):
        made = [one for one in (path, *path.parents) if not one.exists()]
        path.mkdir(parents=True, exist_ok=True)
    for one in made:
        sync_folder(one.parent, whose=whose)
