"""A pool of threads that goes on with fewer threads when the system starts no more."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import final


@final
class SteadyThreads(ThreadPoolExecutor):
    """A thread pool with at least one thread from the beginning.

    Python's pool queues a call before it starts a thread for it. If that fails, the caller gets an
    error, and the call is made nevertheless, or never. Here, the first thread makes the call.

    Args:
        count: The largest number of threads.
        name: The beginning of the names of the threads.

    Raises:
        RuntimeError: The system does not start the first thread.
    """

    def __init__(self, count: int, name: str) -> None:
        super().__init__(count, thread_name_prefix=name)
        self.submit(int)

    def _adjust_thread_count(self) -> None:
        try:
            super()._adjust_thread_count()
        except RuntimeError:
            if not self._threads:
                raise
