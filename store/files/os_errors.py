"""The translation of the operating system's errors into the store's errors."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from store.errors import InvalidInput, PermissionDenied, ReadOnlyStore, StorageFull, Unavailable
from store.files.accounts import user_name
from store.files.space.shortage import has_no_inodes
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM})
_NO_FILE: Final = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG}
)


_BAD_PATH: Final = _NO_FILE - {errno.ENOENT}

_FOLDERS_ABOVE: Final = 3
"""The folders above a file of the store that are the store's own: blobs/sha256/ab."""


@final
class Whose(Enum):
    """The owner of the files that an error concerns; the owner decides the hint of the error."""

    STORE = auto()
    """The store's own files, below its root."""

    INPUT = auto()
    """An input that the user named: an archive, a folder or a certificate."""

    OUTPUT = auto()
    """An output that the user named: a file, a folder or a stream."""

    NEW_STORE = auto()
    """The folder of a store that is being created."""


_HINTS: Final[dict[Whose, dict[type[Unavailable], str]]] = {
    Whose.STORE: {
        StorageFull: "free some space and try again; nothing was changed",
        ReadOnlyStore: (
            "the store is on read-only media: you can read it and save images, but not change it"
        ),
        PermissionDenied: "check the owner and permissions of the store's root",
    },
    Whose.INPUT: {
        PermissionDenied: "check the owner and permissions of the file and of the folders above it",
    },
    Whose.OUTPUT: {
        StorageFull: "free some space on that file system, or write to another one",
        ReadOnlyStore: "that file system is mounted read-only: write to another one",
        PermissionDenied: "check the owner and permissions of the file and of the folders above it",
    },
    Whose.NEW_STORE: {
        StorageFull: "free some space on that file system, or choose another root for the store",
        ReadOnlyStore: "that file system is mounted read-only: choose another root for the store",
        PermissionDenied: "choose a root for the store where you may create files",
    },
}

IO_HINT: Final = (
    "the disk or its file system failed: look at the kernel's log (dmesg) and at the disk, then try"
    " again; network file systems cannot hold a store"
)
_OTHER_HINTS: Final = {
    errno.EIO: (
        "the disk or its file system failed: look at the kernel's log (dmesg) and at the disk, then"
        " try again"
    ),
    errno.ESTALE: "mount the network file system again, then try again",
    errno.EMFILE: "raise the limit of open files of this process (ulimit -n)",
    errno.ENFILE: "raise the system's limit of open files (sysctl fs.file-max)",
    errno.ENOMEM: "free some memory and try again",
    errno.ENAMETOOLONG: "choose a shorter path for the store's root",
}
"""The hints for errors that have no class of their own."""

_QUOTA: Final = "free some space of this user on that file system, or raise the quota of the user"
_NO_INODES: Final = "no inode is left for a new file, although space is left"
_FREE_INODES: Final = "remove files on that file system: it can hold no more of them"

_TOO_LARGE: Final = (
    "write to another file system, or raise the limit of the process on sizes of files: FAT, for"
    " example, has at most 4 GiB in a file"
)
_BAD_PATH_HINTS: Final = {
    errno.ENOTDIR: "a part of this path is a file, not a folder: check the path",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ELOOP: "symbolic links in this path lead in a circle: check the path",
}


@contextmanager
def translated(path: Path | str, *, whose: Whose = Whose.STORE) -> Iterator[None]:
    """Translate an OSError about ``path`` that the ``with`` block raises.

    Three errors pass unchanged, because only the caller knows what they mean: FileNotFoundError,
    BrokenPipeError and InterruptedError.

    Args:
        path: The file that the error concerns, or a name for it; the message begins with it.
        whose: The owner of the file; this decides the hint of the error.

    Raises:
        StorageFull: The file system or a quota is full, or the file would be too large for it.
        ReadOnlyStore: The file system is mounted read-only.
        PermissionDenied: The operating system forbids the access.
        InvalidInput: The path is not a file or folder, and it is not one of the store's own files.
        Unavailable: Any other OSError.
    """
    try:
        yield
    except (FileNotFoundError, BrokenPipeError, InterruptedError):
        raise
    except OSError as exc:
        raise translate(exc, path, whose=whose) from exc


@contextmanager
def reading_input(path: Path) -> Iterator[None]:
    """Translate an OSError about ``path``, an input file that the user named.

    Unlike in `translated`, a path without a readable file is reported as an error in the input.

    Args:
        path: The file; the message begins with this path.

    Raises:
        InvalidInput: There is no such file, or the path is not a file.
        PermissionDenied: The operating system forbids the access.
        Unavailable: Any other OSError.
    """
    try:
        yield
    except OSError as exc:
        if exc.errno in _NO_FILE:
            raise InvalidInput(f"{path}: {exc.strerror or exc}") from exc
        raise translate(exc, path, whose=Whose.INPUT) from exc


def translate(
    exc: OSError, path: Path | str, *, whose: Whose = Whose.STORE
) -> Unavailable | InvalidInput:
    """Return the store's error for an error of the operating system about ``path``.

    Args:
        exc: The error of the operating system.
        path: The file that the error concerns, or a name for it; the message begins with this name.
        whose: The owner of the file; this decides the hint of the error.
    """
    reason = f"{path}: {exc.strerror or exc}"
    if exc.errno == errno.EXDEV and whose is Whose.STORE:
        return Unavailable(reason, hint="keep the whole store on one file system")
    if exc.errno in _BAD_PATH and whose is not Whose.STORE:
        return InvalidInput(reason, hint=_BAD_PATH_HINTS.get(exc.errno))
    if exc.errno == errno.EFBIG:
        return StorageFull(reason, hint=_TOO_LARGE)
    kind: type[Unavailable] = Unavailable
    if exc.errno in _FULL:
        kind = StorageFull
    elif exc.errno == errno.EROFS:
        kind = ReadOnlyStore
    elif exc.errno in _FORBIDDEN:
        kind = PermissionDenied
    gc_helps = kind is StorageFull and whose is Whose.STORE
    hint = _HINTS[whose].get(kind) or _OTHER_HINTS.get(exc.errno or 0)
    if exc.errno == errno.EDQUOT:
        hint = _QUOTA
    elif exc.errno == errno.ENOSPC and isinstance(path, Path) and has_no_inodes(path):
        reason, hint = f"{reason} ({_NO_INODES})", _FREE_INODES
    if kind is PermissionDenied and whose is Whose.STORE:
        hint = _owner(Path(path)) or hint
    return kind(
        reason,
        hint=hint,
        remedy=Remedy.COLLECT_GARBAGE if gc_helps else None,
    )


def _owner(path: Path) -> str | None:
    """Return a hint that says which other user owns a file of the store, or its folder."""
    for one in (path, *path.parents[:_FOLDERS_ABOVE]):
        try:
            uid = one.lstat().st_uid
        except OSError:
            # A folder above it is closed to this user.
            continue
        if uid == os.geteuid() and one == path:
            # To remove or rename a file, a user needs permission for its folder.
            continue
        return (
            None
            if uid == os.geteuid()
            else (
                f"{one} belongs to {user_name(uid)}: run the command as that user, or give all"
                " files of the store to one user"
            )
        )
    return None
