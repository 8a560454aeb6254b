"""Functions that wait for a condition, long enough for a busy machine."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S: Final = 60.0
_LOOK_AGAIN_S: Final = 0.02


def until(holds: Callable[[], object]) -> None:
    """Wait until ``holds()`` is true.

    Raises:
        AssertionError: The condition stays false for `PATIENCE_S`.
    """
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(_LOOK_AGAIN_S)


async def until_in_loop(holds: Callable[[], object]) -> None:
    """Wait like `until`, while the event loop continues to run."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(_LOOK_AGAIN_S / 10)
