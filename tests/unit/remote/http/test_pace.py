"""The slowest pace of a body."""

from __future__ import annotations

import pytest

from remote.http.pace import Pace


@pytest.mark.parametrize(
    ("parts", "is_slow"),
    [
        # One byte a second, in a window of ten.
        ([(1, 1.0)] * 9, False),
        ([(1, 1.0)] * 10, True),
        # Exactly fast enough, and a byte less.
        ([(1000, 10.0)], False),
        ([(999, 10.0)], True),
        # Much at once and then nothing: the next window is another one.
        ([(10**6, 0.0), (1, 10.0)], False),
        ([(10**6, 10.0), (1, 10.0)], True),
        # A reader that never waits is never too early.
        ([(1, 0.0)] * 1000, False),
    ],
)
def test_few_bytes_in_a_window_of_waiting_are_slow(
    parts: list[tuple[int, float]], *, is_slow: bool
) -> None:
    pace = Pace(100, 10.0)
    for size, waited in parts:
        pace.note(size, waited)
    assert pace.is_slow is is_slow
