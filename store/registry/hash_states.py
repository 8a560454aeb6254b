"""Hash states of uploads, kept between requests, so that no request hashes earlier bytes again."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from hashlib import _Hash

MAX_HASH_STATES: Final = 1024
"""Largest number of states. The state that was saved longest ago is dropped first."""


@final
class HashStates:
    """The hash states of this process's uploads. Threads may share this object."""

    def __init__(self) -> None:
        self._states: OrderedDict[str, tuple[int, _Hash]] = OrderedDict()
        self._guard = threading.Lock()

    def save(self, upload_id: str, offset_bytes: int, hasher: _Hash) -> None:
        """Keep the hash state of an upload for the upload's next request.

        Args:
            upload_id: ID of the upload.
            offset_bytes: Number of bytes hashed so far.
            hasher: The hash object after these bytes.
        """
        with self._guard:
            self._states[upload_id] = (offset_bytes, hasher)
            while len(self._states) > MAX_HASH_STATES:
                self._states.popitem(last=False)

    def take(self, upload_id: str, offset_bytes: int) -> _Hash | None:
        """Return the hash state of an upload, and forget it.

        Args:
            upload_id: ID of the upload.
            offset_bytes: Number of bytes that must have been hashed.

        Returns:
            The hash object; None if no state at this offset is known. Then hash the file.
        """
        if offset_bytes == 0:
            return hashlib.sha256(usedforsecurity=False)
        with self._guard:
            known = self._states.pop(upload_id, None)
        return known[1] if known is not None and known[0] == offset_bytes else None
