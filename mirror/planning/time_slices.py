"""Slices of processor time: threads that compute take turns, so that short work ends soon.

Python runs one thread at a time. If several threads computed at once, each would slow down the
event loop as much as all of them together, and short work would take as long as its neighbours.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SLICE_S: Final = 0.05
"""How long a thread computes while others wait, in seconds."""

_POLL_S: Final = 0.2
"""How often a waiting thread looks whether its work has to end, in seconds."""


@final
class TimeSlices:
    """A turn that threads hand on to each other, in the order in which they wait for it.

    Args:
        slice_s: How long a thread keeps the turn while others wait, in seconds.
        clock: Returns the time of a monotonic clock, in seconds.
    """

    def __init__(
        self, slice_s: float = SLICE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._slice_s = slice_s
        self._clock = clock
        self._changed = threading.Condition()
        self._waiting: deque[object] = deque()
        self._holder: object | None = None

    @contextmanager
    def turn(self, check: Callable[[], None]) -> Iterator[Callable[[], None]]:
        """Wait for the turn, and hold it until the block ends.

        Args:
            check: An exception that this function raises ends the wait, and the work.

        Yields:
            A function to call often. It calls ``check``, and hands the turn on if other threads
            wait and the slice is over.
        """
        me = object()
        self._take(me, check)
        since = self._clock()

        def hand_on() -> None:
            nonlocal since
            check()
            if self._waiting and self._clock() - since > self._slice_s:
                self._give(me)
                self._take(me, check)
                since = self._clock()

        try:
            yield hand_on
        finally:
            self._give(me)

    def _take(self, me: object, check: Callable[[], None]) -> None:
        with self._changed:
            self._waiting.append(me)
            try:
                while self._holder is not None or self._waiting[0] is not me:
                    self._changed.wait(_POLL_S)
                    check()
                self._holder = me
            finally:
                self._waiting.remove(me)
                self._changed.notify_all()

    def _give(self, me: object) -> None:
        with self._changed:
            # If the wait ended early, the turn was not taken back.
            if self._holder is me:
                self._holder = None
                self._changed.notify_all()
