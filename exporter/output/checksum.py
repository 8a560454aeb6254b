"""The SHA-256 and the length of what is written, for a receiver to compare."""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
from typing import TYPE_CHECKING, Final, final

from exporter.output.tar_stream import write_all
from store.model.limits import MIB

if TYPE_CHECKING:
    from exporter.output.tar_stream import Sink

_READ_BYTES: Final = MIB // 4
"""Bytes per read: few enough to be in the core's cache when they are hashed."""


@final
class Measuring:
    """A sink that writes to another sink, and measures what was written.

    The sink has no ``fileno``. So archives are written to it as a stream, from the first byte to
    the last.

    Args:
        sink: Receives the bytes.
        hashes: Whether to compute the SHA-256.

    Attributes:
        size_bytes: How many bytes were written.
    """

    def __init__(self, sink: Sink, *, hashes: bool) -> None:
        self._sink = sink
        self._hash = hashlib.sha256(usedforsecurity=False) if hashes else None
        self.size_bytes = 0

    def write(self, data: bytes | memoryview, /) -> int:
        """Write all of ``data`` and return its length in bytes."""
        write_all(self._sink, data)
        if self._hash is not None:
            self._hash.update(data)
        self.size_bytes += len(data)
        return len(data)

    @property
    def sha256(self) -> str | None:
        """The SHA-256 of what was written, in hexadecimal digits; None if it is not computed."""
        return None if self._hash is None else self._hash.hexdigest()


def is_readable(descriptor: int) -> bool:
    """Return whether a file is open for reading too, as a file of `atomic_file` is."""
    return fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDWR


def sha256_of(descriptor: int, start: int, size_bytes: int) -> str:
    """Return the SHA-256 of a part of a file, in hexadecimal digits.

    Just after the file was written, its bytes are read from memory and not from the disk.

    Args:
        descriptor: A regular file.
        start: Offset of the first byte.
        size_bytes: The length of the part.
    """
    hashed = hashlib.sha256(usedforsecurity=False)
    buffer = memoryview(mmap.mmap(-1, _READ_BYTES))
    end = start + size_bytes
    while start < end:
        count = os.preadv(descriptor, [buffer[: min(_READ_BYTES, end - start)]], start)
        if not count:
            break
        hashed.update(buffer[:count])
        start += count
    return hashed.hexdigest()
