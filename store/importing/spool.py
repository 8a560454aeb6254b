"""Many small pieces of bytes, kept until it is known which of them matter: in memory while they are few, in one file of the operation when they are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from store.files.os_errors import translated
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BUFFER_BYTES: Final = 4 * MIB
"""What is kept in memory, at most, before it is written to the file."""


@final
class Spool:
    """Bytes that are appended, and read back by their offset.

    Args:
        new_file: Gives the path of a file that may be made; asked once, and only when there is too
            much for memory.
    """

    def __init__(self, new_file: Callable[[], Path]) -> None:
        self._new_file = new_file
        self._path: Path | None = None
        self._written = 0
        self._tail = bytearray()

    def append(self, data: bytes) -> int:
        """Keep ``data``; its offset. Raises Unavailable and its branches."""
        offset = self._written + len(self._tail)
        self._tail += data
        if len(self._tail) >= BUFFER_BYTES:
            self._write()
        return offset

    def read(self, offset: int, size: int) -> bytes:
        """What `append` was given in one piece. Raises Unavailable and its branches."""
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
        # Opened for each piece: nobody has to be told that it may be closed.
        with translated(self._path), self._path.open("ab", buffering=0) as file:
            view = memoryview(self._tail)
            done = 0
            while done < len(view):
                done += file.write(view[done:])
            view.release()
        self._written += len(self._tail)
        self._tail.clear()
