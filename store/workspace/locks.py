"""Which operations and uploads a live process is working on."""

from __future__ import annotations

from typing import Protocol


class Lock(Protocol):
    """An exclusive lock. It is released when its process ends, at the latest."""

    def release(self) -> None:
        """Release the lock. Call this once."""


class Locks(Protocol):
    """The locks of one store's operations and uploads.

    Locks have no expiry time: a slow client loses nothing. A lock excludes other processes and
    other threads of this process alike. An operation or an upload whose lock is free is not being
    worked on; an operation with a free lock belongs to a process that has ended.
    """

    def lock_operation(self, operation_id: str) -> Lock | None:
        """Lock an operation, or return None if another process or thread holds the lock.

        An operation that has no folder (any more) can be locked as well.
        """

    def lock_upload(self, upload_id: str) -> Lock | None:
        """Lock an upload, or return None if another request holds the lock.

        An upload that has no file (any more) can be locked as well.
        """
