"""Output files that are written under a temporary name, then synced and renamed."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from store.errors import InvalidInput, printable
from store.files.os_errors import Whose, translated
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file that appears at ``path`` if the block succeeds, and is removed if it fails.

    The file is synced before it appears. Its mode is 0600, as in Docker. A device or a named pipe
    at ``path`` is written directly.

    Args:
        path: The file to write; an existing file is replaced.

    Raises:
        InvalidInput: ``path`` is a folder, or its folder does not exist.
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
    try:
        with translated(path, whose=Whose.OUTPUT):
            descriptor, name = tempfile.mkstemp(
                prefix=f".{path.name}.", suffix=".partial", dir=path.parent
            )
    except FileNotFoundError:
        raise InvalidInput(
            f"cannot write {printable(str(path))}: its folder does not exist",
            hint="create the folder first, or write to a different folder",
        ) from None
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
        temporary.unlink(missing_ok=True)
        raise
