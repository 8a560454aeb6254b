"""A limit for the bytes per second of all transfers together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from remote.http.settings import Timing

_BURST_S: Final = 0.25
"""How much a transfer that was idle may send at once, in seconds of the rate."""


@final
class RateLimit:
    """A limit that every transfer asks before it goes on.

    Args:
        rate_bytes_s: The bytes per second; None for no limit.
        timing: The clock.
    """

    def __init__(self, rate_bytes_s: int | None, timing: Timing) -> None:
        self._rate = rate_bytes_s
        self._timing = timing
        self._paid_until = timing.monotonic()

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit."""
        return bool(self._rate)

    async def spend(self, count: int) -> None:
        """Wait until some bytes fit into the rate.

        Args:
            count: The bytes that were received, or that will be sent.
        """
        if not self._rate:
            return
        now = self._timing.monotonic()
        self._paid_until = max(self._paid_until, now - _BURST_S) + count / self._rate
        if self._paid_until > now:
            await self._timing.sleep(self._paid_until - now)
