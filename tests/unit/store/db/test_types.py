from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.dialects import sqlite

from store.db.types import DigestType, JsonMap, UtcTime
from store.errors import InvalidDigest
from store.model.digests import Digest

if TYPE_CHECKING:
    from sqlalchemy.types import TypeDecorator

DIALECT = sqlite.dialect()


def stored(kind: TypeDecorator[Any], value: object) -> object:
    return kind.process_bind_param(value, DIALECT)


def loaded(kind: TypeDecorator[Any], value: object) -> object:
    return kind.process_result_value(value, DIALECT)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        (DigestType(), Digest("sha256", "ab" * 32), f"sha256:{'ab' * 32}"),
        (DigestType(), Digest("sha512", "ab" * 64), f"sha512:{'ab' * 64}"),
        (UtcTime(), datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "2026-01-02T03:04:05.000006Z"),
        (JsonMap(), {"b": 1, "a": ["x"]}, '{"a":["x"],"b":1}'),
        (JsonMap(), {}, "{}"),
    ],
)
def test_values_have_one_text_and_come_back(
    kind: TypeDecorator[Any], value: object, text: str
) -> None:
    assert stored(kind, value) == text
    assert loaded(kind, text) == value


@pytest.mark.parametrize("kind", [DigestType(), UtcTime(), JsonMap()])
def test_none_stays_none(kind: TypeDecorator[Any]) -> None:
    assert stored(kind, None) is None
    assert loaded(kind, None) is None


def test_times_of_every_zone_sort_as_text() -> None:
    zone = timezone(timedelta(hours=5))
    early = datetime(2026, 1, 1, 2, tzinfo=zone)
    late = datetime(2025, 12, 31, 22, tzinfo=UTC)
    assert early < late
    assert str(stored(UtcTime(), early)) < str(stored(UtcTime(), late))
    assert loaded(UtcTime(), stored(UtcTime(), early)) == early


def test_a_text_that_is_not_a_digest_is_an_error() -> None:
    with pytest.raises(InvalidDigest):
        loaded(DigestType(), "sha256:short")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-02",
        "2026-01-02T03:04:05.000006+",
        "2026-01-02 03:04:05.000006Z",
        "2026-W01-2T03:04:05.000006Z",
        "2026-01-02T03:04:05,000006Z",
        "2026-13-02T03:04:05.000006Z",
        "2026-01-02T03:04:05.0000 6Z",
    ],
)
def test_a_time_in_another_format_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|isoformat|month"):
        loaded(UtcTime(), text)
