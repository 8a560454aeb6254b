"""The deadline of a request's body, so that a slow client cannot hold a connection for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Callable


@final
class BodyDeadline:
    """The time at which a body is too late.

    The deadline begins at ``pause_s`` and moves on with every byte, as much as the byte takes at
    ``bytes_per_s``, but to no more than twice ``pause_s`` from now.

    Args:
        pause_s: The longest pause between two bytes, in seconds.
        bytes_per_s: The lowest average rate.
        clock: Returns seconds that never go back.
    """

    def __init__(self, pause_s: float, bytes_per_s: float, clock: Callable[[], float]) -> None:
        self._pause_s = pause_s
        self._bytes_per_s = bytes_per_s
        self._clock = clock
        self._deadline = clock() + pause_s

    def extend(self, size_bytes: int) -> None:
        """Move the deadline on.

        Args:
            size_bytes: How many bytes have been received.
        """
        self._deadline = min(
            self._deadline + size_bytes / self._bytes_per_s, self._clock() + 2 * self._pause_s
        )

    @property
    def patience_s(self) -> float:
        """How long to wait for the next byte, in seconds."""
        return max(0.0, min(self._pause_s, self._deadline - self._clock()))
