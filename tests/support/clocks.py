"""Clocks that go on when a test says so, however long anything takes meanwhile."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, final

from mirror.transfer import client_progress as taking

if TYPE_CHECKING:
    import pytest


@final
class StillClock:
    """Gives seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def hold_stalling(monkeypatch: pytest.MonkeyPatch, stall_s: float) -> StillClock:
    """The clock by which clients stall, after ``stall_s``.

    How often they are looked at still goes by the loop's.
    """
    clock = StillClock()
    monkeypatch.setattr(taking, "STALL_S", stall_s)
    monkeypatch.setattr(
        taking, "asyncio", SimpleNamespace(get_running_loop=lambda: SimpleNamespace(time=clock))
    )
    return clock
