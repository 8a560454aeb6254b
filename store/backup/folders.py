"""The files and folders of a backup: made for their owner only, and durable.

A backup may lie on a file system without owners and modes, such as that of a USB disk. So modes are
asked for when a file is made, and never changed.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from store.files.creation import NO_FOLLOW, PRIVATE_FILE, PRIVATE_FOLDER
from store.files.durable import sync_folder
from store.files.os_errors import Whose, translated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def new_file(path: Path) -> Iterator[int]:
    """Create a file, and sync it at the end of the block; remove it if the block fails.

    Args:
        path: The new file; an old file of this name is removed first.

    Yields:
        The descriptor of the file, open for writing and reading.
    """
    with unsynced_file(path) as descriptor:
        yield descriptor
        with translated(path, whose=Whose.OUTPUT):
            os.fsync(descriptor)
    os.close(descriptor)


@contextmanager
def unsynced_file(path: Path) -> Iterator[int]:
    """Create a file that stays open after the block; close and remove it if the block fails.

    Args:
        path: The new file; an old file of this name is removed first.

    Yields:
        The descriptor of the file, open for writing and reading. The caller syncs and closes it.
    """
    with translated(path, whose=Whose.OUTPUT):
        with suppress(FileNotFoundError):
            path.unlink()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_FOLLOW, PRIVATE_FILE)
    try:
        yield descriptor
    except BaseException:
        os.close(descriptor)
        with suppress(OSError):
            path.unlink()
        raise


def write_file(path: Path, data: bytes) -> None:
    """Write a small file durably, except its name."""
    with new_file(path) as descriptor, translated(path, whose=Whose.OUTPUT):
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]


def sync_file(path: Path) -> None:
    """Make the bytes of a file durable; its name is made durable by `sync`."""
    with translated(path, whose=Whose.OUTPUT):
        descriptor = os.open(path, os.O_RDONLY | NO_FOLLOW)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make a folder if it does not exist; its name is made durable by `sync`."""
    with translated(path, whose=Whose.OUTPUT), suppress(FileExistsError):
        path.mkdir(PRIVATE_FOLDER)


def rename(source: Path, target: Path) -> None:
    """Rename a file or folder within a backup; a file replaces another file."""
    with translated(target, whose=Whose.OUTPUT):
        source.replace(target)


def sync(*paths: Path) -> None:
    """Make the names in folders durable."""
    for path in paths:
        sync_folder(path, whose=Whose.OUTPUT)


def remove_tree(path: Path) -> None:
    """Remove a folder and everything below it, as far as possible. No link is followed."""
    shutil.rmtree(path, ignore_errors=True)


def read_small(path: Path, max_bytes: int) -> bytes | None:
    """Return the bytes of a file, at most ``max_bytes`` + 1; None if it is missing or no file.

    Args:
        path: The file. No symbolic link is followed.
        max_bytes: The ceiling; a longer result means that the file is larger.
    """
    with translated(path, whose=Whose.INPUT):
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | NO_FOLLOW)
        except (FileNotFoundError, NotADirectoryError):
            return None
        with os.fdopen(descriptor, "rb") as file:
            return file.read(max_bytes + 1)
