"""The deadline for the body of a request."""

from __future__ import annotations

import pytest

from mirror.transfer.body_deadline import BodyDeadline
from tests.support.clocks import StillClock


def test_deadline_moves_on_with_the_bytes_of_the_body() -> None:
    clock = StillClock()
    deadline = BodyDeadline(60, 500, clock)
    assert deadline.patience_s == 60
    clock.now += 50
    assert deadline.patience_s == 10
    deadline.extend(1000)
    assert deadline.patience_s == 12
    deadline.extend(1 << 30)
    assert deadline.patience_s == 60
    clock.now += 119
    assert deadline.patience_s == pytest.approx(1)
    clock.now += 5
    assert deadline.patience_s == 0
