"""Long texts made from short ones, and calls whose processor time must stay small."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

PUMPED: Final = 40_000
"""The length of a pumped text in characters, five times as long as the longest header line."""

LIMIT_S: Final = 1.0
"""Seconds of processor time for one call with a pumped text.

Linear work takes a hundredth of this time. Work that is quadratic in the length takes longer.
"""


class TooSlow(AssertionError):
    """A call took more processor time than the length of its text justifies."""


def pumped(text: str, start: int, length: int) -> str:
    """Return ``text`` with one of its parts repeated until it has `PUMPED` characters.

    Args:
        text: Any text.
        start: Where the repeated part begins; counted from the beginning again beyond the end.
        length: The length of the repeated part; at least one character is repeated.
    """
    if not text:
        return ""
    at = start % len(text)
    part = text[at : at + max(1, length)]
    return text[:at] + part * (PUMPED // len(part)) + text[at + len(part) :]


def quickly(call: Callable[..., T], *args: object) -> T:
    """Return the result of a call.

    Raises:
        TooSlow: The call took more than `LIMIT_S` of processor time.
    """
    begun = time.process_time()
    try:
        return call(*args)
    finally:
        took = time.process_time() - begun
        if took > LIMIT_S:
            raise TooSlow(f"{took:.1f} s of processor time for {args!r:.200}")
