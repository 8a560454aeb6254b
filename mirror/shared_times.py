"""A table of times by name, in memory that worker processes share.

The memory is allocated once, so it does not grow with the number of names. When a bucket is full, a
new name replaces the name with the earliest time.
"""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import struct
import tempfile
import threading
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BUCKETS: Final = 2048
_WAYS: Final = 8
"""The number of slots in a bucket. The hash of a name selects its bucket."""

_SLOT: Final = struct.Struct("=16sd")
"""The mark of a name (zeros for a free slot), and its time."""

_BUCKET_BYTES: Final = _WAYS * _SLOT.size


@final
class SharedTimes:
    """Times by name. Create the table before the processes are forked.

    Args:
        key: The key of the hash that turns a name into a mark and a bucket. Clients must not know
            the key: otherwise a client could replace another client's time in the same bucket.
            None for a random key.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = os.urandom(32) if key is None else key
        self._memory = mmap.mmap(-1, _BUCKETS * _BUCKET_BYTES)
        # The kernel releases a file lock whenever its process ends; a lock in memory would be held
        # for ever. Threads of one process share the file lock, so they need a lock of their own.
        self._file = _anonymous_file()
        self._thread = threading.Lock()
        weakref.finalize(self, os.close, self._file)

    def get(self, name: bytes) -> float:
        """Return the time of a name; 0 if the table has no such name.

        Args:
            name: The name.
        """
        mark, bucket = self._find(name)
        return max((time for known, time in self._slots(bucket) if known == mark), default=0.0)

    def put(self, name: bytes, time: float) -> None:
        """Set the time of a name.

        Args:
            name: The name.
            time: The time, in seconds.
        """
        self._change(name, lambda _: time)

    def add(self, name: bytes, now: float, seconds: float) -> None:
        """Move the time of a name into the future.

        Args:
            name: The name.
            now: The current time, in seconds; an earlier time counts as this time.
            seconds: By how many seconds to move the time.
        """
        self._change(name, lambda time: max(time, now) + seconds)

    def _change(self, name: bytes, changed: Callable[[float], float]) -> None:
        mark, bucket = self._find(name)
        with self._locked():
            slots = list(self._slots(bucket))
            slot = next((number for number, (known, _) in enumerate(slots) if known == mark), None)
            if slot is None:
                slot = min(range(_WAYS), key=lambda number: slots[number][1])
                slots[slot] = (mark, 0.0)
            _SLOT.pack_into(self._memory, bucket + slot * _SLOT.size, mark, changed(slots[slot][1]))

    def _find(self, name: bytes) -> tuple[bytes, int]:
        """Return the mark of a name, and the offset of its bucket."""
        hashed = hashlib.blake2b(name, key=self._key, digest_size=24).digest()
        bucket = int.from_bytes(hashed[16:]) % _BUCKETS
        return hashed[:16], bucket * _BUCKET_BYTES

    def _slots(self, bucket: int) -> Iterator[tuple[bytes, float]]:
        return _SLOT.iter_unpack(self._memory[bucket : bucket + _BUCKET_BYTES])

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Lock the table against other threads and processes."""
        with self._thread:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)


def _anonymous_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("storectl-times")
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
