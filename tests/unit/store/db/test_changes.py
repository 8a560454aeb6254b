from __future__ import annotations

import pytest

from store.db.changes import Position


@pytest.mark.parametrize(
    ("one", "other", "covers"),
    [
        (Position(2, 2), Position(2, 2), True),
        (Position(3, 2), Position(2, 2), True),
        (Position(3, 1), Position(2, 2), False),
        (Position(1, 3), Position(2, 2), False),
    ],
)
def test_a_position_covers_what_is_before_it_in_both_numbers(
    one: Position, other: Position, *, covers: bool
) -> None:
    assert one.covers(other) is covers
