"""Locks: ``flock`` on the folder of an operation or of the blobs, or on a file."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final, final

from store.blobs.directory import BLOBS
from store.blobs.folders import DOWNLOADS
from store.files.creation import NO_FOLLOW, create_file, is_at, open_closed, open_folder
from store.files.os_errors import translated

if TYPE_CHECKING:
    from pathlib import Path

STAGING: Final = "staging"
"""Name of the folder that contains a folder for each operation."""

UPLOADS: Final = "uploads"
"""Name of the folder that contains the files of uploads."""

_TASK_DIGITS: Final = 32
_TASK_SUFFIX: Final = ".lock"
_TASK: Final = re.compile(rf"[0-9a-f]{{{_TASK_DIGITS}}}{re.escape(_TASK_SUFFIX)}")
"""The names of the files of tasks."""


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

        The file lies in the folder of downloads, has no bytes, and is removed with the lock.
        """
        name = f"{hashlib.sha256(name.encode()).hexdigest()[:_TASK_DIGITS]}{_TASK_SUFFIX}"
        path = self._root / DOWNLOADS / name
        with translated(path):
            with open_folder(self._root, DOWNLOADS, create=True):
                # Created with the mode and the owner of the store.
                pass
            while True:
                with suppress(FileExistsError):
                    os.close(create_file(path, os.O_RDONLY))
                lock = _lock(self._root, DOWNLOADS, name, os.O_NONBLOCK)
                if lock is None or lock.is_at(path):
                    return lock
                # The process that held the lock has removed the file.
                lock.release()

    def sweep_tasks(self) -> None:
        """Remove the files of tasks whose process was killed."""
        with translated(self._root / DOWNLOADS):
            try:
                with open_folder(self._root, DOWNLOADS) as folder, os.scandir(folder) as entries:
                    names = [entry.name for entry in entries]
            except FileNotFoundError:
                return
        for name in filter(_TASK.fullmatch, names):
            path = self._root / DOWNLOADS / name
            lock = _lock(self._root, DOWNLOADS, name, os.O_NONBLOCK)
            if lock is not None:
                with translated(path):
                    lock.is_at(path)
                lock.release()


@final
class FileLock:
    """A held ``flock``. A lock without a descriptor belongs to a file that does not exist."""

    __slots__ = ("_descriptor", "_path")

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        self._path: Path | None = None

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What a child program has to inherit to hold the lock as well."""
        return () if self._descriptor is None else (self._descriptor,)

    def release(self) -> None:
        """Release the lock, and remove the file of a task."""
        if self._descriptor is not None:
            if self._path is not None:
                # Others that have opened the file look whether it is still there.
                with suppress(OSError), open_folder(self._path.parent) as folder:
                    os.unlink(self._path.name, dir_fd=folder)
            os.close(self._descriptor)

    def is_at(self, path: Path) -> bool:
        """Return whether the locked file is still at a path; `release` removes it there then.

        Only the holder of the lock removes the file, so it stays at its path until then.

        Args:
            path: The path of the file of a task.

        Raises:
            OSError: The folder cannot be opened.
        """
        if self._descriptor is None or not is_at(path, self._descriptor):
            return False
        self._path = path
        return True


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
