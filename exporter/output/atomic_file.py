"""Where an archive goes: a temporary sibling, synced and renamed when it is whole."""

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
    """A file that appears under ``path`` when the block ends well, whole and durable, and leaves nothing when it does not. Its mode is 0600, as Docker's.

    Raises InvalidInput when there is no such folder, Unavailable and its branches when it cannot be
    written.
    """
    if path.exists() and not path.is_file():
        # A device or a named pipe is written as it is: nothing can be renamed over it.
        if path.is_dir():
            raise InvalidInput(f"{printable(str(path))} is a folder", remedy=Remedy.SAVE_TO_FILE)
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
            f"there is no folder {printable(str(path.parent))}",
            hint="make it first, or save somewhere else",
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
