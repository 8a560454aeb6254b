"""The threads of one process that wait for the same ``flock``, each for a limited time."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Callable


@final
class LockQueue:
    """Hands the lock of a file to the threads of this process, in the order of their requests.

    A wait for ``flock`` in the kernel has no limit, and nothing else can end it in a thread. So one
    helper thread waits for all others, however long it takes. A thread whose time is over leaves
    the queue. If the queue is empty when the helper gets the lock, the helper releases it.

    Args:
        open_file: Opens the file. Each lock needs an open file of its own, so that ``flock`` also
            excludes the threads of this process.
    """

    def __init__(self, open_file: Callable[[], int]) -> None:
        self._open = open_file
        self._guard = threading.Lock()
        self._tickets: deque[_Ticket] = deque()
        self._has_helper = False
        self._waiting_since: float | None = None

    def stuck_for(self) -> float:
        """Return for how many seconds this process has waited for the current holder."""
        since = self._waiting_since
        return 0.0 if since is None else time.monotonic() - since

    def acquire(self, limit_s: float, on_wait: Callable[[], None], patience_s: float) -> int | None:
        """Lock the file.

        If this process has waited in vain for longer than the limit already, the lock is only
        tried: a row of requests does not wait one limit after the other.

        Args:
            limit_s: How long to wait, in seconds.
            on_wait: Called when the wait has taken ``patience_s`` and is not over.
            patience_s: When to call ``on_wait``, in seconds.

        Returns:
            A descriptor that holds the lock until it is closed; None if the time is over.

        Raises:
            OSError: The file cannot be locked.
            RuntimeError: The system starts no thread.
        """
        if not self._tickets or self.stuck_for() >= limit_s:
            descriptor = self.try_now()
            if descriptor is not None:
                return descriptor
            if self.stuck_for() >= limit_s:
                return None
        ticket = self._enqueue()
        try:
            if not ticket.done.wait(min(patience_s, limit_s)) and limit_s > patience_s:
                on_wait()
                ticket.done.wait(limit_s - patience_s)
        except BaseException:
            self._leave(ticket)
            if ticket.descriptor is not None:
                os.close(ticket.descriptor)
            raise
        self._leave(ticket)
        if ticket.error is not None:
            raise ticket.error
        return ticket.descriptor

    def try_now(self) -> int | None:
        """Lock the file without a wait; return the descriptor, or None if it is locked."""
        descriptor = self._open()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            os.close(descriptor)
            if exc.errno in (errno.EAGAIN, errno.EACCES):
                return None
            raise
        return descriptor

    def _enqueue(self) -> _Ticket:
        ticket = _Ticket()
        with self._guard:
            self._tickets.append(ticket)
            needs_helper, self._has_helper = not self._has_helper, True
        if needs_helper:
            try:
                threading.Thread(target=self._help, name="lock", daemon=True).start()
            except RuntimeError as exc:
                self._fail(exc)
        return ticket

    def _leave(self, ticket: _Ticket) -> None:
        with self._guard:
            if ticket in self._tickets:
                self._tickets.remove(ticket)

    def _fail(self, error: BaseException) -> None:
        with self._guard:
            self._has_helper = False
            while self._tickets:
                ticket = self._tickets.popleft()
                ticket.error = error
                ticket.done.set()

    def _help(self) -> None:
        """Wait for the lock on behalf of each thread in the queue."""
        # A program that waits for signals in a thread has to get them there.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while True:
            try:
                descriptor = self._wait()
            except BaseException as exc:  # noqa: BLE001 - the waiting threads raise it
                self._fail(exc)
                return
            with self._guard:
                ticket = self._tickets.popleft() if self._tickets else None
                if ticket is not None:
                    ticket.descriptor = descriptor
                    ticket.done.set()
                self._has_helper = bool(self._tickets)
                if ticket is None:
                    os.close(descriptor)
                if not self._has_helper:
                    return

    def _wait(self) -> int:
        descriptor = self._open()
        self._waiting_since = time.monotonic()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except BaseException:
            os.close(descriptor)
            raise
        finally:
            self._waiting_since = None
        return descriptor


@final
class _Ticket:
    """A thread that waits, and what it gets: the lock or an error."""

    __slots__ = ("descriptor", "done", "error")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.descriptor: int | None = None
        self.error: BaseException | None = None
