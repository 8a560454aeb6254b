"""Checks of the modes of files that grant permissions: users, rules, keys and certificates."""

from __future__ import annotations

import logging
import os
import stat
from typing import TYPE_CHECKING, Final

from store.errors import PermissionDenied
from store.files.accounts import is_private_group
from store.files.os_errors import reading_input

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

_ROOT_GROUP: Final = 0


def require_unwritable(path: Path) -> None:
    """Check that only the owner of a file may write to it.

    The group may write if it has no other members. Files on a read-only file system, such as those
    that a container gets, are not checked.

    Args:
        path: The file; symbolic links are followed.

    Raises:
        InvalidInput: There is no such file.
        PermissionDenied: Other users may write to the file.
    """
    _check(path)


def require_secret(path: Path) -> None:
    """Check that only the owner of a file may write to it; warn if every user may read it.

    Files on a read-only file system are not checked.

    Args:
        path: The file; symbolic links are followed.

    Raises:
        InvalidInput: There is no such file.
        PermissionDenied: Other users may write to the file.
    """
    if _check(path) & stat.S_IROTH:
        logger.warning("every user of this machine may read %s; run `chmod o-r %s`", path, path)


def _check(path: Path) -> int:
    """Return the mode of a file after the check; 0 if the file need not be checked."""
    with reading_input(path):
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or os.statvfs(path).f_flag & os.ST_RDONLY:
            return 0
    group_writes = bool(status.st_mode & stat.S_IWGRP) and status.st_gid != _ROOT_GROUP
    if status.st_mode & stat.S_IWOTH or (
        group_writes and not is_private_group(status.st_gid, status.st_uid)
    ):
        raise PermissionDenied(
            f"cannot trust {path}: other users may write to it", hint=f"run `chmod go-w {path}`"
        )
    return status.st_mode
