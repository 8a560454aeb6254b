"""The deadline of a request's body keeps a slow client from holding a connection for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Callable


@final
class BodyDeadline:
    """The time by which the next bytes of a body have to arrive.

    At first the deadline is ``pause_s`` from now. Every received byte moves the deadline by
    ``1 / bytes_per_s`` seconds, but never further than twice ``pause_s`` from now.

    Args:
        pause_s: The longest pause between two bytes, in seconds.
        bytes_per_s: The lowest average rate, in bytes per second.
        clock: Returns the time of a monotonic clock, in seconds.
    """

    def __init__(self, pause_s: float, bytes_per_s: float, clock: Callable[[], float]) -> None:
        self._pause_s = pause_s
        self._bytes_per_s = bytes_per_s
        self._clock = clock
        self._deadline = clock() + pause_s

    def extend(self, size_bytes: int) -> None:
        """Move the deadline, because ``size_bytes`` more bytes have been received."""
        self._deadline = min(
            self._deadline + size_bytes / self._bytes_per_s, self._clock() + 2 * self._pause_s
        )

    @property
    def patience_s(self) -> float:
        """How long to wait for the next byte, in seconds."""
        return max(0.0, min(self._pause_s, self._deadline - self._clock()))
