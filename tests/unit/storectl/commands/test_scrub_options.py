from __future__ import annotations

from datetime import timedelta

import click
import pytest

from mirror.jobs import scrubbing
from store.maintenance import pace, scrub
from storectl.commands import _scrub_options
from storectl.commands._scrub_options import Age, Rate


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("50", 50_000_000),
        ("50MB", 50_000_000),
        ("50MB/s", 50_000_000),
        ("500kB", 500_000),
        ("1MiB", 1 << 20),
        ("0.5MB", 500_000),
        ("1000000", 1_000_000_000_000),
    ],
)
def test_a_rate_is_a_number_of_megabytes_or_a_size(text: str, rate: int) -> None:
    assert Rate().convert(text, None, None) == rate


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "fast", "9kB", "1000001", "2TB", "1" * 5000, "9" * 400 + "PB", "²"]
)
def test_other_rates_are_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="invalid rate"):
        Rate().convert(text, None, None)


def test_an_age_has_a_least_and_a_most() -> None:
    age = Age(timedelta(minutes=1))
    assert age.convert("720h", None, None) == timedelta(days=30)
    assert age.convert("0", None, None) == age.convert("0s", None, None) == timedelta(0)
    assert Age().convert("1s", None, None) == timedelta(seconds=1)
    for text in ("59s", "87601h", "-1h", "30d", ""):
        with pytest.raises(click.BadParameter, match="invalid age"):
            age.convert(text, None, None)


def test_the_limits_are_those_of_the_store() -> None:
    assert (_scrub_options.MIN_RATE, _scrub_options.MAX_RATE) == (pace.MIN_RATE, pace.MAX_RATE)
    assert scrub.MAX_AGE == _scrub_options.MAX_AGE
    assert Rate().convert("10", None, None) == scrubbing.DEFAULT_RATE
    assert Age().convert("720h", None, None) == scrubbing.DEFAULT_EVERY
