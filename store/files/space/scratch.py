"""Folders for temporary files that are too large for any place: a place with room is chosen."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from store.errors import StorageFull
from store.files.space.shortage import obstacle

if TYPE_CHECKING:
    from collections.abc import Iterator

_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
_MARGIN: Final = 1024 * 1024
"""Bytes that must be free in addition: SQLite writes a log."""


@contextmanager
def scratch_folder(size_bytes: int, *, prefix: str = "storectl-") -> Iterator[Path]:
    """Make a folder for temporary files, and remove it at the end.

    Args:
        size_bytes: The size of the files, in bytes.
        prefix: The beginning of the folder's name.

    Yields:
        The folder: in the system's place for temporary files, or in memory if there is no room.

    Raises:
        StorageFull: No place has that much room.
    """
    folder = make_scratch_folder(size_bytes, prefix=prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def make_scratch_folder(size_bytes: int, *, prefix: str = "storectl-") -> Path:
    """Make a folder for temporary files, which the caller removes.

    Args:
        size_bytes: The size of the files, in bytes.
        prefix: The beginning of the folder's name.

    Raises:
        StorageFull: No place has that much room.
    """
    for place in _places():
        if obstacle(place, size_bytes + _MARGIN) is None:
            return Path(tempfile.mkdtemp(prefix=prefix, dir=place))
    raise StorageFull(
        f"cannot make a temporary copy: {size_bytes + _MARGIN} bytes are needed, and no folder for"
        " temporary files has them",
        hint="set TMPDIR to a folder with that much space",
    )


def _places() -> list[Path]:
    try:
        usual = [Path(tempfile.gettempdir())]
    except FileNotFoundError:
        # No folder that Python knows takes a file.
        usual = []
    return [*usual, _MEMORY]
