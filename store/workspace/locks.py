"""Locks that show on which operations, uploads and tasks a process is working."""

from __future__ import annotations

from typing import Protocol


class Lock(Protocol):
    """An exclusive lock. The lock is released when its process ends, at the latest."""

    @property
    def descriptors(self) -> tuple[int, ...]:
        """What a child program has to inherit to hold the lock as well; it ends with the last."""

    def release(self) -> None:
        """Release the lock. Call this once."""


class Locks(Protocol):
    """The locks of one store's operations and uploads, of its scrub, and of tasks of servers.

    Locks do not expire, so a slow client does not lose its work. A lock excludes other processes
    and other threads of this process. If the lock of an upload is free, no request is working on
    it. If the lock of an operation is free, the operation's process has ended.
    """

    def lock_operation(self, operation_id: str) -> Lock | None:
        """Lock an operation, or return None if another process or thread holds the lock.

        An operation without a folder can be locked as well.
        """

    def lock_upload(self, upload_id: str) -> Lock | None:
        """Lock an upload, or return None if another request holds the lock.

        An upload without a file can be locked as well.
        """

    def lock_scrub(self) -> Lock | None:
        """Lock the scrub of the store, or return None if another process or thread scrubs it."""

    def lock_task(self, name: str) -> Lock | None:
        """Lock a task of servers, or return None if another process or thread holds the lock.

        Args:
            name: The name of the task; any text.
        """

    def sweep_tasks(self) -> None:
        """Remove what is left of tasks whose process was killed."""
