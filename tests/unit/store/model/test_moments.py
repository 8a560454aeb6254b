from __future__ import annotations

from datetime import UTC, datetime

import pytest

from store.model.moments import moment


@pytest.mark.parametrize(
    "when",
    [
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    ],
)
def test_a_stored_time_comes_back(when: datetime) -> None:
    seconds = (when - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()
    assert moment(int(seconds)) == when


@pytest.mark.parametrize("seconds", [None, -62_135_596_801, 253_402_300_800, 10**30, -(10**30)])
def test_a_time_that_is_unknown_or_out_of_range_is_none(seconds: int | None) -> None:
    assert moment(seconds) is None
