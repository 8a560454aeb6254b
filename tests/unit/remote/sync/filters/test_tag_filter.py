"""The choice of tags."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from remote.sync.filters.regex import Regex
from remote.sync.filters.tag_filter import Globs, Order, TagFilter
from remote.sync.filters.versions import VersionRange

NOW = datetime(2026, 6, 1, tzinfo=UTC)
TAGS = ("latest", "1.0", "1.2.0", "1.2", "1.10", "2.0.0-rc1", "2.0", "latest")


def days(count: int) -> datetime:
    return NOW - timedelta(days=count)


def test_without_a_filter_each_tag_is_taken_once() -> None:
    assert TagFilter().by_name(TAGS) == TAGS[:-1]


def test_a_tag_passes_all_filters() -> None:
    found = TagFilter(
        include=Globs.parse(["1.*", "2.*"]),
        exclude=Globs.parse(["*-rc?"]),
        regexes=(Regex("0"),),
        whole_regexes=(Regex(r"\d.*"),),
        denied_regexes=(Regex("2"), Regex(r"1\.0")),
        versions=(VersionRange.parse("1"), VersionRange.parse("3")),
    )
    assert found.by_name(TAGS) == ("1.2.0", "1.10")


def test_the_newest_versions_are_taken_in_the_order_of_the_list() -> None:
    # Of equal versions, the one with more numbers is the newer name.
    assert TagFilter(newest=3).by_name(TAGS) == ("1.10", "2.0.0-rc1", "2.0")
    assert TagFilter(newest=4).by_name(TAGS) == ("1.2.0", "1.10", "2.0.0-rc1", "2.0")


def test_times_choose_when_they_are_known() -> None:
    created = {"a": days(1), "b": None, "1.0": days(9), "2.0": days(3)}
    by_time = TagFilter(newest=2, order=Order.CREATED)
    assert by_time.needs_times
    assert by_time.by_name(created) == tuple(created)
    assert by_time.by_time(created, NOW) == ("a", "2.0")
    assert TagFilter(newest=4, order=Order.CREATED).by_time(created, NOW) == tuple(created)
    young = TagFilter(younger_than=timedelta(days=3))
    assert young.by_time(created, NOW) == ("a", "2.0")
    both = TagFilter(younger_than=timedelta(days=9), newest=1)
    assert both.by_time(created, NOW) == ("2.0",)
