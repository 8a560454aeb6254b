"""A short text of each worker process, in memory that all of them share.

The memory is allocated once. Only its own worker writes a text; a reader that meets a writer reads
again.
"""

from __future__ import annotations

import mmap
import struct
from typing import Final, final

MAX_BYTES: Final = 64 * 1024
"""The size of the longest text."""

_HEAD: Final = struct.Struct("=QQ")
"""How often the text was written, odd while it is written; and its size in bytes."""

_ROW: Final = MAX_BYTES + _HEAD.size
_ATTEMPTS: Final = 100


@final
class SharedTexts:
    """A text of each worker. Create it before the processes are forked.

    Args:
        workers: The number of worker processes.
    """

    def __init__(self, workers: int = 1) -> None:
        self._workers = workers
        self._memory = mmap.mmap(-1, workers * _ROW)

    def put(self, worker: int, text: bytes) -> bool:
        """Write the text of a worker; only this worker calls this.

        Args:
            worker: The number of the worker, from 0.
            text: The text.

        Returns:
            Whether it was written; one that is too long is not.
        """
        if len(text) > MAX_BYTES:
            return False
        start = worker * _ROW
        version, _ = _HEAD.unpack_from(self._memory, start)
        # An odd number remains if the worker was killed meanwhile; the next one goes on.
        version += 1 + version % 2
        _HEAD.pack_into(self._memory, start, version, 0)
        self._memory[start + _HEAD.size : start + _HEAD.size + len(text)] = text
        _HEAD.pack_into(self._memory, start, version + 1, len(text))
        return True

    def get(self, worker: int) -> bytes:
        """Return the text of a worker; empty if it has none.

        Args:
            worker: The number of the worker, from 0.
        """
        start = worker * _ROW
        for _ in range(_ATTEMPTS):
            before = _HEAD.unpack_from(self._memory, start)
            text = self._memory[start + _HEAD.size : start + _HEAD.size + before[1]]
            if before[0] % 2 == 0 and _HEAD.unpack_from(self._memory, start) == before:
                return text
        return b""

    def others(self, worker: int) -> list[bytes]:
        """Return the texts of all other workers.

        Args:
            worker: The number of the worker, from 0.
        """
        return [self.get(one) for one in range(self._workers) if one != worker]
