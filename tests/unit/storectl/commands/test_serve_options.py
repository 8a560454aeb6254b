"""Values of the options of `serve`."""

from __future__ import annotations

from datetime import timedelta

import click
import pytest

from store.catalog.events import MAX_EVENTS
from storectl.commands._serve_options import MAX_KEPT_EVENTS, KeptEvents, parse_patterns


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("100000", 100_000),
        ("1000000", MAX_EVENTS),
        ("720h", timedelta(days=30)),
        ("1h30m", timedelta(minutes=90)),
    ],
)
def test_events_are_kept_by_number_or_by_age(text: str, value: object) -> None:
    found = KeptEvents().convert(text, None, None)
    assert found == value
    assert KeptEvents().convert(found, None, None) == value


@pytest.mark.parametrize(
    "text", ["", "-1", "1000001", "9" * 5000, "-5m", "30d", "soon", "9999999999h", "٣"]
)
def test_other_values_are_wrong_usage(text: str) -> None:
    with pytest.raises(click.BadParameter) as refused:
        KeptEvents().convert(text, None, None)
    assert "expected a number of events up to 1,000,000, or an age" in refused.value.message


def test_the_largest_number_is_that_of_a_collection() -> None:
    assert MAX_KEPT_EVENTS == MAX_EVENTS


def test_patterns_belong_to_the_default_registry() -> None:
    (pattern,) = parse_patterns(("team/*",), "quay.io")
    assert pattern.matches("quay.io/team/app")
    with pytest.raises(click.UsageError) as refused:
        parse_patterns(("team/[",), "docker.io")
    assert "--record-pulls: invalid pattern 'team/['" in refused.value.message
