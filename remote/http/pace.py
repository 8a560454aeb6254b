"""The slowest pace at which a body may arrive."""

from __future__ import annotations

from typing import final


@final
class Pace:
    """Watches how fast a body arrives, in one window after another.

    Only the time counts in which its reader waits for it: neither a limit of the rate nor a slow
    disk makes a body slow.

    Args:
        least_bytes_s: The fewest bytes per second.
        window_s: The length of a window, in seconds of waiting.

    Attributes:
        is_slow: Whether fewer bytes arrived in the last window.
    """

    def __init__(self, least_bytes_s: int, window_s: float) -> None:
        self._least = least_bytes_s
        self._window_s = window_s
        self._bytes = 0
        self._waited_s = 0.0
        self.is_slow = False

    def note(self, size_bytes: int, waited_s: float) -> None:
        """Note a part of the body.

        Args:
            size_bytes: Its size.
            waited_s: How long the reader has waited for it, in seconds.
        """
        self._bytes += size_bytes
        self._waited_s += waited_s
        if self._waited_s >= self._window_s:
            self.is_slow = self._bytes < self._least * self._waited_s
            self._bytes, self._waited_s = 0, 0.0
