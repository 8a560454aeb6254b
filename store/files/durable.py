"""Folders whose entries survive a power cut.

A file that was made in a folder or renamed into it is durable only after an fsync of the folder.
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
        path: The folder.
        whose: Chooses the hint of an error.

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

    The entries of the new folder are for the caller to sync.

    Args:
        path: The folder; nothing happens if it exists.
        whose: Chooses the hint of an error.

    Raises:
        Unavailable: A folder cannot be made or synced.
    """
    with translated(path, whose=whose):
        made = [one for one in (path, *path.parents) if not one.exists()]
        path.mkdir(parents=True, exist_ok=True)
    for one in made:
        sync_folder(one.parent, whose=whose)
