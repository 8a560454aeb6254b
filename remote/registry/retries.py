"""Pauses before a request is sent again, and what a registry says about them."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from remote.http.faults import Fault
    from remote.http.settings import ClientSettings

TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""The statuses after which a retry may succeed."""

_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 20.0
_EPOCH_S: Final = 1_000_000_000
"""A number above this is a time, and not a number of seconds."""


@final
class Retries:
    """The retries of one request.

    The pauses grow from half a second, and are spread at random, so that clients which failed
    together do not come back together.

    Args:
        settings: How often and how long.
    """

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._failures = 0

    def reset(self) -> None:
        """Count from the beginning: the request has made progress."""
        self._failures = 0

    async def pause(self, fault: Fault) -> None:
        """Wait before the next attempt.

        Args:
            fault: What ended the last attempt.

        Raises:
            RegistryError: No further attempt is allowed, or the registry asks for a longer pause
                than the settings allow.
        """
        self._failures += 1
        asked = fault.retry_after_s
        if (
            not fault.is_transient
            or self._failures > self._settings.retries
            or (asked is not None and asked > self._settings.max_wait_s)
        ):
            raise fault.error from fault.__cause__
        timing = self._settings.timing
        longest = min(_FIRST_PAUSE_S * 2 ** (self._failures - 1), _LONGEST_PAUSE_S)
        await timing.sleep(max(asked or 0.0, longest * (0.5 + timing.jitter() / 2)))


def retry_after(headers: Mapping[str, str], now_s: float) -> float | None:
    """Return how long a registry asks the client to wait, in seconds.

    Args:
        headers: The headers of an answer: ``Retry-After`` (RFC 9110, section 10.2.3), or the reset
            of a rate limit.
        now_s: The time, in seconds since 1970.

    Returns:
        The seconds, not negative; None if the answer does not say.
    """
    for name in ("Retry-After", "RateLimit-Reset", "X-RateLimit-Reset"):
        value = headers.get(name, "").strip()
        if value.isascii() and value.isdigit() and len(value) < 20:  # noqa: PLR2004 - a 64-bit number
            seconds = float(value)
            return max(0.0, seconds - now_s) if seconds > _EPOCH_S else seconds
        if value and name == "Retry-After":
            try:
                return max(0.0, parsedate_to_datetime(value).timestamp() - now_s)
            except (ValueError, OverflowError):
                continue
    return None
