"""Locks: ``flock`` on the folder of an operation or of the blobs, or on a file."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final, final

from store.blobs.directory import BLOBS
from store.blobs.folders import DOWNLOADS
from store.files.creation import NO_FOLLOW, create_file, open_closed, open_folder
from store.files.os_errors import translated

if TYPE_CHECKING:
    from pathlib import Path

STAGING: Final = "staging"
"""Name of the folder that contains a folder for each operation."""

UPLOADS: Final = "uploads"
"""Name of the folder that contains the files of uploads."""


@final
class FileLocks:
    """The locks of a store on a local file system; implements `store.workspace.locks.Locks`.

    The kernel releases a ``flock`` when all copies of its descriptor are closed, at the latest when
    the process ends. Child programs inherit a descriptor only if they are given it.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def lock_operation(self, operation_id: str) -> FileLock | None:
        """Lock an operation's folder, or return None if it is locked."""
        return _lock(self._root, STAGING, operation_id, os.O_DIRECTORY)

    def lock_upload(self, upload_id: str) -> FileLock | None:
        """Lock an upload's file, or return None if it is locked."""
        return _lock(self._root, UPLOADS, upload_id, os.O_NONBLOCK)

    def lock_scrub(self) -> FileLock | None:
        """Lock the folder of blobs, which nothing else locks, or return None if it is locked."""
        return _lock(self._root, None, BLOBS, os.O_DIRECTORY)

    def lock_task(self, name: str) -> FileLock | None:
        """Lock a file of a task, or return None if it is locked.

        The file lies in the folder of downloads, has no bytes, and is never removed: a process may
        wait for the lock of a file that was.
        """
        path = self._root / DOWNLOADS / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.lock"
        with (
            translated(path),
            open_folder(self._root, DOWNLOADS, create=True),
            suppress(FileExistsError),
        ):
            os.close(create_file(path, os.O_RDONLY))
        return _lock(self._root, DOWNLOADS, path.name, os.O_NONBLOCK)


@final
class FileLock:
    """A held ``flock``. A lock without a descriptor belongs to a file that does not exist."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What a child program has to inherit to hold the lock as well."""
        return () if self._descriptor is None else (self._descriptor,)

    def release(self) -> None:
        """Release the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)


def _lock(root: Path, folder: str | None, name: str, flags: int) -> FileLock | None:
    folders = () if folder is None else (folder,)
    with translated(root.joinpath(*folders, name)):
        try:
            with open_folder(root, *folders) as parent:
                if flags & os.O_DIRECTORY:
                    descriptor = open_closed(name, parent)
                else:
                    descriptor = os.open(name, os.O_RDONLY | NO_FOLLOW | flags, dir_fd=parent)
        except FileNotFoundError:
            # A lock needs an existing file, so no other process can hold this lock.
            return FileLock(None)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(descriptor)
            if exc.errno in (errno.EAGAIN, errno.EACCES):
                return None
            raise
    return FileLock(descriptor)
