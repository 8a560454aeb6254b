"""Output files that are written under a temporary name, then synced and renamed."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from exporter.output.free_space import stating_sizes
from store.errors import InvalidInput, printable
from store.files.os_errors import Whose, translated
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def atomic_file(path: Path, size_bytes: int | None = None) -> Iterator[BinaryIO]:
    """Yield a file that appears at ``path`` if the block succeeds, and is removed if it fails.

    The file is synced before it appears. Its mode is 0600, as in Docker. A device or a named pipe
    at ``path`` is written directly.

    Args:
        path: The file to write; an existing file is replaced.
        size_bytes: The size of the whole file, for errors; None if it is not known.

    Raises:
        InvalidInput: ``path`` is a folder, or no file can be made in its folder.
        StorageFull: The file system has no space left.
        ReadOnlyStore: The file system is mounted read-only.
        PermissionDenied: The operating system forbids the access.
        Unavailable: The operating system reports any other error.
    """
    if path.exists() and not path.is_file():
        if path.is_dir():
            raise InvalidInput(
                f"cannot write {printable(str(path))}: it is a folder", remedy=Remedy.SAVE_TO_FILE
            )
        with translated(path, whose=Whose.OUTPUT), path.open("wb", buffering=0) as file:
            yield file
        return
    with stating_sizes(path, size_bytes), _renamed(path) as file:
        yield file


@contextmanager
def _renamed(path: Path) -> Iterator[BinaryIO]:
    try:
        with translated(path, whose=Whose.OUTPUT):
            descriptor, name = tempfile.mkstemp(
                prefix=f".{path.name}.", suffix=".partial", dir=path.parent
            )
    except FileNotFoundError:
        raise no_folder(path) from None
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file, translated(path, whose=Whose.OUTPUT):
            yield file
            os.fsync(file.fileno())
        with translated(path, whose=Whose.OUTPUT):
            temporary.replace(path)
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
    except BaseException:
        # If this fails as well, the first error names the cause.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def no_folder(path: Path) -> InvalidInput:
    """Return the error for an output that the system calls missing before it was made."""
    name = printable(str(path))
    if path.parent.is_dir():
        # /proc and /sys answer so.
        return InvalidInput(
            f"cannot write {name}: nothing can be created in its folder",
            hint="write to a folder on a disk",
        )
    return InvalidInput(
        f"cannot write {name}: its folder does not exist",
        hint="create the folder first, or write to a different folder",
    )
