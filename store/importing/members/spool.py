"""A spool for small members of a stream: first in memory, then in one file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from store.files.os_errors import translated
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BUFFER_BYTES: Final = 4 * MIB
"""Size of the buffer in memory; a full buffer is written to the file."""


@final
class Spool:
    """A store for bytes that are appended once, and read by their offset.

    Args:
        new_file: Returns the path of a file to create; called once, when memory is full.
    """

    def __init__(self, new_file: Callable[[], Path]) -> None:
        self._new_file = new_file
        self._path: Path | None = None
        self._written = 0
        self._tail = bytearray()

    def append(self, data: bytes) -> int:
        """Append ``data`` and return its offset in bytes.

        Raises:
            Unavailable: The file cannot be written.
        """
        offset = self._written + len(self._tail)
        self._tail += data
        if len(self._tail) >= BUFFER_BYTES:
            self._write()
        return offset

    def read(self, offset: int, size: int) -> bytes:
        """Return the bytes of one call of `append`.

        Args:
            offset: The offset that `append` returned, in bytes.
            size: Size of the data that `append` received, in bytes.

        Raises:
            Unavailable: The file cannot be read.
        """
        if offset >= self._written:
            at = offset - self._written
            return bytes(self._tail[at : at + size])
        assert self._path is not None  # noqa: S101 - something was written to it
        with translated(self._path), self._path.open("rb") as file:
            file.seek(offset)
            return file.read(size)

    def _write(self) -> None:
        if self._path is None:
            self._path = self._new_file()
        # The file is opened for each write, so that the spool needs no close.
        with translated(self._path), self._path.open("ab", buffering=0) as file:
            view = memoryview(self._tail)
            done = 0
            while done < len(view):
                done += file.write(view[done:])
            view.release()
        self._written += len(self._tail)
        self._tail.clear()
