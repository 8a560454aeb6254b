"""What the operating system refuses, translated where it enters."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from store.errors import InvalidInput, PermissionDenied, ReadOnlyStore, StorageFull, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_FORBIDDEN: Final = frozenset({errno.EACCES, errno.EPERM})
_NO_FILE: Final = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG}
)


@contextmanager
def translated(path: Path | str) -> Iterator[None]:
    """Raise StorageFull, ReadOnlyStore, PermissionDenied or Unavailable for an OSError about ``path``.

    A missing file stays a FileNotFoundError: what it means is for the caller to say. So does a
    broken pipe.
    """
    try:
        yield
    except (FileNotFoundError, BrokenPipeError, InterruptedError):
        raise
    except OSError as exc:
        raise translate(exc, path) from exc


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Raise InvalidInput, PermissionDenied or Unavailable for an OSError about ``path``, a file beside the store that somebody has named to be read."""
    try:
        yield
    except OSError as exc:
        reason = f"{path}: {exc.strerror or exc}"
        if exc.errno in _NO_FILE:
            raise InvalidInput(reason) from exc
        if exc.errno in _FORBIDDEN:
            raise PermissionDenied(
                reason,
                hint="check the owner and permissions of the file, and of the folders it is in",
            ) from exc
        raise translate(exc, path) from exc


def translate(exc: OSError, path: Path | str) -> Unavailable:
    """The error of ours that says what ``exc`` means for ``path``."""
    reason = f"{path}: {exc.strerror or exc}"
    if exc.errno in _FULL:
        return StorageFull(
            reason,
            hint="free some space (`storectl gc` may help) and try again; nothing was changed",
        )
    if exc.errno == errno.EROFS:
        return ReadOnlyStore(
            reason,
            hint="the store lies on read-only media: it can be read and saved from, not changed",
        )
    if exc.errno in _FORBIDDEN:
        return PermissionDenied(reason, hint="check the owner and permissions of the store's root")
    if exc.errno == errno.EXDEV:
        return Unavailable(reason, hint="the whole store must lie on one file system")
    return Unavailable(reason)
