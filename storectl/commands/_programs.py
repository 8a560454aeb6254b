"""The commands of this program that a server runs in processes of their own."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path


def program(root: Path, *words: str) -> tuple[str, ...]:
    """Return a program that runs a command, with its arguments.

    Args:
        root: The folder of the store.
        words: The verb of the command, and its arguments.
    """
    # A folder in which the server was started must not bring modules of its own.
    return (sys.executable, "-P", "-m", "storectl", "--root", absolute(root), *words)


def collection_program(root: Path, age: timedelta | None, size: int | None) -> tuple[str, ...]:
    """Return the program that collects with limits for what was pulled through.

    Args:
        root: The folder of the store.
        age: How long a tag stays after its last use; None for no limit.
        size: The size of the images, in bytes; None for no limit.
    """
    limits = []
    if age is not None:
        limits.append(f"--cache-age={age.total_seconds():.0f}s")
    if size is not None:
        limits.append(f"--cache-size={size}")
    return program(root, "gc", "--json", *limits)


def absolute(path: Path) -> str:
    """Return an absolute path, with its links."""
    return os.path.abspath(path)  # noqa: PTH100 - `resolve` would follow links
