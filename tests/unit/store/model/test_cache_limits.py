"""How much stays of what a server has pulled through."""

from __future__ import annotations

from datetime import timedelta

import pytest

from store.model.cache_limits import CacheLimits


@pytest.mark.parametrize(
    ("limits", "is_set"),
    [
        (CacheLimits(), False),
        (CacheLimits(max_age=timedelta(0)), True),
        (CacheLimits(max_bytes=0), True),
    ],
)
def test_a_limit_of_zero_is_a_limit(limits: CacheLimits, *, is_set: bool) -> None:
    assert limits.is_set is is_set
