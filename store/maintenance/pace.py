"""A limit for the bytes that a background job reads in a second."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_RATE: Final = 1_000_000_000_000
"""The highest rate, in bytes per second."""

MIN_RATE: Final = 10_000
"""The lowest rate, in bytes per second: a day for a gigabyte."""

_STEP_S: Final = 0.2
"""How long the job sleeps at most before it asks again whether to stop."""

_BURST_S: Final = 1.0
"""The time without work for which the job may catch up."""


class StoppedError(Exception):
    """The job was asked to stop."""


@final
class Pace:
    """A limit of the rate of a job, and the way to stop it.

    Args:
        rate: The most bytes in a second; None for no limit.
        clock: Returns the time of a monotonic clock, in seconds.
        sleep: Waits for a number of seconds.
        is_stopped: Returns whether the job has to end.
    """

    def __init__(
        self,
        rate: int | None,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], object],
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._rate = rate
        self._clock = clock
        self._sleep = sleep
        self._is_stopped = is_stopped
        self._free_at = clock()

    @property
    def now_s(self) -> float:
        """The time of the clock, in seconds."""
        return self._clock()

    def spend(self, size_bytes: int) -> None:
        """Wait until the bytes that were just read fit into the rate.

        Args:
            size_bytes: The number of bytes.

        Raises:
            StoppedError: The job has to end.
        """
        if self._is_stopped():
            raise StoppedError
        if self._rate is None:
            return
        self._free_at = max(self._free_at, self._clock() - _BURST_S) + size_bytes / self._rate
        while (left := self._free_at - self._clock()) > 0:
            self._sleep(min(left, _STEP_S))
            if self._is_stopped():
                raise StoppedError
