"""How long to wait for a client that sends slowly: one that sends a byte now and then must not hold a connection for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Callable


@final
class BodyDeadline:
    """A body may stop for ``pause_s``, and may take that long and as much more as its bytes take at ``bytes_per_s``, of which it can save up as much again.

    ``clock`` gives seconds.
    """

    def __init__(self, pause_s: float, bytes_per_s: float, clock: Callable[[], float]) -> None:
        self._pause_s = pause_s
        self._bytes_per_s = bytes_per_s
        self._clock = clock
        self._ends = clock() + pause_s

    def came(self, size_bytes: int) -> None:
        """So many bytes came."""
        self._ends = min(
            self._ends + size_bytes / self._bytes_per_s, self._clock() + 2 * self._pause_s
        )

    @property
    def patience_s(self) -> float:
        """How long to wait for more."""
        return max(0.0, min(self._pause_s, self._ends - self._clock()))
