"""Rows of upload sessions."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from store.catalog.in_progress import uploads
from tests.support.catalog_rows import NOW

if TYPE_CHECKING:
    from sqlalchemy import Connection

HOUR = timedelta(hours=1)


def test_a_session_starts_empty_and_advances(connection: Connection) -> None:
    uploads.add(connection, "one", "docker.io/team/app", NOW)
    assert uploads.get(connection, "one") == uploads.UploadRow("one", "docker.io/team/app", 0)
    uploads.advance(connection, "one", 5, NOW)
    found = uploads.get(connection, "one")
    assert found is not None
    assert found.offset_bytes == 5
    assert uploads.get(connection, "two") is None


def test_sessions_are_idle_since_their_last_bytes(connection: Connection) -> None:
    for number, name in enumerate(("old", "older", "active")):
        uploads.add(connection, name, "docker.io/team/app", NOW - number * HOUR)
    uploads.advance(connection, "active", 1, NOW + HOUR)
    assert uploads.idle(connection, NOW + HOUR) == ("older", "old")
    assert uploads.idle(connection, NOW) == ("older",)
    assert uploads.count(connection) == 3


def test_empty_sessions_are_found_apart(connection: Connection) -> None:
    for name in ("empty", "begun"):
        uploads.add(connection, name, "docker.io/team/app", NOW)
    uploads.advance(connection, "begun", 1, NOW)
    assert uploads.idle(connection, NOW + HOUR, is_empty=True) == ("empty",)


def test_sessions_are_counted_for_each_owner(connection: Connection) -> None:
    uploads.add(connection, "one", "docker.io/team/app", NOW, "user:alice")
    uploads.add(connection, "two", "docker.io/team/app", NOW, "user:bob")
    uploads.add(connection, "three", "docker.io/team/app", NOW)
    assert uploads.count(connection) == 3
    assert uploads.count(connection, "user:alice") == 1
    assert uploads.count(connection, "user:carol") == 0
    found = uploads.get(connection, "one")
    assert found is not None
    assert found.owner == "user:alice"


def test_a_session_that_received_bytes_meanwhile_does_not_expire(connection: Connection) -> None:
    uploads.add(connection, "one", "docker.io/team/app", NOW)
    assert not uploads.forget(connection, "one", untouched_since=NOW)
    assert uploads.forget(connection, "one", untouched_since=NOW + HOUR)
    assert not uploads.forget(connection, "one")


def test_no_more_sessions_are_recorded_than_the_ceilings_allow(connection: Connection) -> None:
    def add(name: str, owner: str | None) -> bool:
        return uploads.add(connection, name, "app", NOW, owner, most=4, most_of_owner=2)

    assert [add(name, "bob") for name in ("one", "two", "three")] == [True, True, False]
    assert [add(name, "eve") for name in ("four", "five", "six")] == [True, True, False]
    assert not add("seven", None)
    assert uploads.add(connection, "eight", "app", NOW)
    assert {one.id for one in uploads.sessions(connection)} == {
        "one",
        "two",
        "four",
        "five",
        "eight",
    }
