"""Create the files and folders of a store, and open its folders without following symbolic links.

A new file or folder takes its mode and its owner from the folder above it, whatever the umask is.
So the root of a store decides for everything below it:

- In a store of one user, folders have the mode 0700 and files 0600.
- In a store that a group shares, the root has the set-group-ID bit and the group may write. Folders
  have the mode 2770 and files 0660. The kernel gives them the group of the root.

If root uses the store of another user, what root creates belongs to the owner of the folder above.
"""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRIVATE_FOLDER: Final = 0o700
PRIVATE_FILE: Final = 0o600
SHARED_FOLDER: Final = 0o2770
SHARED_FILE: Final = 0o660

NO_FOLLOW: Final = os.O_NOFOLLOW | os.O_CLOEXEC
"""Flags for every file of a store: a symbolic link in place of the file is an error."""

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | NO_FOLLOW


def is_shared(folder_mode: int) -> bool:
    """Return whether a group shares a folder: the group may write, and new entries get the group.

    Args:
        folder_mode: The mode of the folder (``st_mode``).
    """
    return bool(folder_mode & stat.S_ISGID and folder_mode & stat.S_IWGRP)


def folder_mode(above: int) -> int:
    """Return the mode of a new folder.

    Args:
        above: The mode of the folder above it (``st_mode``).
    """
    return SHARED_FOLDER if is_shared(above) else PRIVATE_FOLDER


def file_mode(above: int) -> int:
    """Return the mode of a new file.

    Args:
        above: The mode of its folder (``st_mode``).
    """
    return SHARED_FILE if is_shared(above) else PRIVATE_FILE


def create_file(path: Path, access: int = os.O_WRONLY) -> int:
    """Create a file in an existing folder of a store, and open it.

    Args:
        path: The new file.
        access: ``os.O_WRONLY`` or ``os.O_RDWR``.

    Returns:
        The descriptor of the file.

    Raises:
        FileExistsError: The path exists, perhaps as a symbolic link.
        OSError: The file cannot be created, or the folder is a symbolic link.
    """
    with open_folder(path.parent) as parent:
        above = os.fstat(parent)
        mode = file_mode(above.st_mode)
        descriptor = os.open(
            path.name, access | os.O_CREAT | os.O_EXCL | NO_FOLLOW, mode, dir_fd=parent
        )
        try:
            _adopt(descriptor, above, mode)
        except BaseException:
            os.close(descriptor)
            os.unlink(path.name, dir_fd=parent)
            raise
    return descriptor


def create_folder(path: Path) -> None:
    """Create a folder in an existing folder of a store.

    Args:
        path: The new folder.

    Raises:
        FileExistsError: The path exists.
        OSError: The folder cannot be created, or the folder above it is a symbolic link.
    """
    with open_folder(path.parent) as parent:
        _create_folder(path.name, parent)


@contextmanager
def open_folder(path: Path, *names: str, create: bool = False) -> Iterator[int]:
    """Open a folder below ``path``; neither ``path`` nor a folder below it may be a symbolic link.

    Args:
        path: A folder.
        names: The names of the folders from there to the wanted folder; empty for ``path`` itself.
        create: Whether to create the folders of ``names`` that are missing.

    Yields:
        The descriptor of the folder. It is closed when the block ends.

    Raises:
        FileNotFoundError: A folder is missing, and ``create`` is false.
        OSError: A folder cannot be opened, or it is a symbolic link.
    """
    descriptor = os.open(path, _FOLDER)
    try:
        for name in names:
            below = _open_or_create(name, descriptor) if create else _open(name, descriptor)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def _open(name: str, parent: int) -> int:
    return os.open(name, _FOLDER, dir_fd=parent)


def _open_or_create(name: str, parent: int) -> int:
    try:
        return _open(name, parent)
    except FileNotFoundError:
        # Another process may create the folder at the same time.
        with suppress(FileExistsError):
            _create_folder(name, parent)
        return _open(name, parent)


def _create_folder(name: str, parent: int) -> None:
    above = os.fstat(parent)
    mode = folder_mode(above.st_mode)
    os.mkdir(name, mode & 0o777, dir_fd=parent)
    descriptor = open_closed(name, parent)
    try:
        _adopt(descriptor, above, mode)
    finally:
        os.close(descriptor)


def open_closed(name: str, parent: int) -> int:
    """Open a folder of this user, and give its owner the permissions that a umask took away.

    Args:
        name: The name of the folder.
        parent: The descriptor of the folder above it.

    Returns:
        The descriptor of the folder.

    Raises:
        OSError: The folder cannot be opened, belongs to another user, or is a symbolic link.
    """
    try:
        return _open(name, parent)
    except PermissionError:
        # The umask has removed the owner's permissions. `os.chmod` with a name would follow a
        # symbolic link that a member of the group put there.
        handle = os.open(name, os.O_PATH | os.O_DIRECTORY | NO_FOLLOW, dir_fd=parent)
        try:
            os.chmod(f"/proc/self/fd/{handle}", PRIVATE_FOLDER)  # noqa: PTH101 - not a path
        finally:
            os.close(handle)
        return _open(name, parent)


def _adopt(descriptor: int, above: os.stat_result, mode: int) -> None:
    """Give a new file or folder its mode and, if root created it, the owner of its folder."""
    if above.st_uid != 0 and os.geteuid() == 0:
        os.fchown(descriptor, above.st_uid, above.st_gid)
    # A mode that is right already is not set: a service may be forbidden to set the set-group-ID
    # bit (RestrictSUIDSGID in systemd.exec(5)), although the kernel hands the bit down.
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
        os.fchmod(descriptor, mode)


def is_at(path: Path, descriptor: int) -> bool:
    """Return whether an open file is still at a path: it was neither removed nor replaced.

    Args:
        path: The path in a folder of a store.
        descriptor: The descriptor of the open file.

    Raises:
        OSError: The folder cannot be opened.
    """
    try:
        with open_folder(path.parent) as folder:
            there = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(there, os.fstat(descriptor))
