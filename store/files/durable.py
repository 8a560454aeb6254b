"""Folders whose names outlive a power cut: what was renamed or made in one is durable when the folder itself has been synced."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from store.files.os_errors import translated

if TYPE_CHECKING:
    from pathlib import Path


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    with translated(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, where they are not there; their names are durable then.

    What is in it is for the caller to sync.
    """
    with translated(path):
        made = [one for one in (path, *path.parents) if not one.exists()]
        path.mkdir(parents=True, exist_ok=True)
    for one in made:
        sync_folder(one.parent)
