"""Clients that leave while work for them is running."""

from __future__ import annotations

import pytest

from mirror.planning.departure import ClientLeft, Departure


def test_work_goes_on_until_the_client_leaves() -> None:
    departure = Departure()
    departure.check()
    calls: list[int] = []
    departure.call(lambda: calls.append(1))
    departure.leave()
    departure.leave()
    assert calls == [1]
    departure.call(lambda: calls.append(2))
    assert calls == [1, 2]
    with pytest.raises(ClientLeft):
        departure.check()
