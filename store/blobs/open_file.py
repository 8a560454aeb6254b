"""An open blob whose bytes are in a regular file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO, Self, final

from store.files.os_errors import translate

if TYPE_CHECKING:
    from pathlib import Path


@final
class OpenFile:
    """An open blob in a regular file; implements `store.blobs.protocol.OpenBlob`.

    Args:
        file: A regular file, unbuffered, at its start. Closing this object closes the file.
        path: Path of the file, for errors.
    """

    __slots__ = ("_file", "_path")

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file = file
        self._path = path

    @property
    def size(self) -> int:
        """The size of the file in bytes."""
        try:
            return os.fstat(self._file.fileno()).st_size
        except OSError as exc:
            raise translate(exc, self._path) from exc

    @property
    def stamp(self) -> object:
        """The device, inode, size and modification time of the file."""
        try:
            status = os.fstat(self._file.fileno())
        except OSError as exc:
            raise translate(exc, self._path) from exc
        return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns

    # The methods below translate errors by hand: a context manager costs more than a small read.

    def read(self, size: int = -1, /) -> bytes:
        """Return the next ``size`` bytes, or fewer at the end; negative for all remaining bytes."""
        try:
            return self._file.read(size)
        except OSError as exc:
            raise translate(exc, self._path) from exc

    def pread(self, offset: int, size: int, /) -> bytes:
        """Return ``size`` bytes from ``offset`` on; fewer only at the end."""
        try:
            return os.pread(self._file.fileno(), size, offset)
        except OSError as exc:
            raise translate(exc, self._path) from exc

    def pread_into(self, offset: int, buffer: bytearray | memoryview, /) -> int:
        """Fill ``buffer`` with the bytes from ``offset`` on; return the number of bytes read."""
        try:
            return os.preadv(self._file.fileno(), (buffer,), offset)
        except OSError as exc:
            raise translate(exc, self._path) from exc

    def as_file(self) -> BinaryIO:
        """Return the file itself, which stays open until this object is closed."""
        return self._file

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._file.close()
