"""Times that a user gives have passed."""

from __future__ import annotations

from datetime import timedelta

import click
import pytest

from storectl.commands._moments import moment
from tests.conftest import NOW


def test_a_time_is_a_date_or_an_age() -> None:
    assert moment(None, NOW) is None
    assert moment("10m", NOW) == NOW - timedelta(minutes=10)
    assert moment("2026-01-02T03:04:05Z", NOW) == NOW


@pytest.mark.parametrize("text", ["yesterday", "", "2999-01-01", "-5m"])
def test_other_texts_are_wrong_usage(text: str) -> None:
    with pytest.raises(click.UsageError, match="invalid time"):
        moment(text, NOW)
