"""Clocks that advance only when a test says so."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, final

from mirror.transfer import client_progress

if TYPE_CHECKING:
    import pytest


@final
class StillClock:
    """A clock that stands still; a test sets its time in seconds, ``now``."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def hold_stalling(monkeypatch: pytest.MonkeyPatch, stall_s: float) -> StillClock:
    """Set the stall timeout; return the still clock that measures the timeout.

    The event loop's own clock still decides how often clients are checked.
    """
    clock = StillClock()
    monkeypatch.setattr(client_progress, "STALL_S", stall_s)
    loop = SimpleNamespace(time=clock)
    monkeypatch.setattr(client_progress, "asyncio", SimpleNamespace(get_running_loop=lambda: loop))
    return clock
