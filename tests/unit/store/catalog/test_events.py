"""The rows of events and the ledger of imports."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from store.catalog import events
from store.catalog.events import READ_INTERVAL, Event
from store.db.schema import import_ledger
from store.model.actors import Actor
from tests.support.catalog_rows import NOW, named

if TYPE_CHECKING:
    from sqlalchemy import Connection

SECOND = timedelta(seconds=1)
FIRST = Event(NOW, "import", "a", {"name": "demo:1"})
SECOND_EVENT = Event(NOW + SECOND, "tag", "a")
THIRD = Event(NOW + 2 * SECOND, "tag", "b")


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({}, [FIRST, SECOND_EVENT, THIRD]),
        ({"since": NOW + SECOND}, [SECOND_EVENT, THIRD]),
        ({"until": NOW + SECOND}, [FIRST, SECOND_EVENT]),
        ({"actions": ["tag"]}, [SECOND_EVENT, THIRD]),
        ({"actions": ["tag", "import"], "targets": ["a"]}, [FIRST, SECOND_EVENT]),
        ({"targets": ["c"]}, []),
    ],
)
def test_events_are_filtered_and_oldest_first(
    connection: Connection, filters: dict[str, object], wanted: list[Event]
) -> None:
    events.add_events(connection, [FIRST, SECOND_EVENT, THIRD])
    every: dict[str, object] = {"since": None, "until": None, "actions": (), "targets": ()}
    assert list(events.events(connection, **{**every, **filters})) == wanted  # type: ignore[arg-type]


@pytest.mark.parametrize(("changed", "result"), [(True, "changed"), (False, "unchanged")])
def test_the_ledger_holds_what_the_archive_claimed(
    connection: Connection, *, changed: bool, result: str
) -> None:
    events.add_ledger_entry(
        connection,
        at=NOW,
        claim=named("index.json"),
        source="app.tar",
        images={"sha256:1": ("demo:1", "demo:2")},
        changed=changed,
        operation="one",
    )
    (row,) = connection.execute(select(import_ledger))
    assert (row.claim, row.source, row.result) == (named("index.json"), "app.tar", result)
    assert row.images == {"sha256:1": ["demo:1", "demo:2"]}


def test_a_reader_has_one_event_for_an_image_in_an_hour(connection: Connection) -> None:
    first, other = Event(NOW, "save", "a"), Event(NOW, "save", "b")
    events.add_events(connection, [first], reader="alice")
    soon = [Event(NOW + READ_INTERVAL - SECOND, "save", target) for target in ("a", "b")]
    assert events.unrecorded_reads(connection, soon, reader="alice") == soon[1:]
    assert events.unrecorded_reads(connection, soon, reader="bob") == soon
    later = [Event(NOW + READ_INTERVAL, "save", "a")]
    assert events.unrecorded_reads(connection, later, reader="alice") == later
    events.add_events(connection, [other])
    assert events.unrecorded_reads(connection, soon, reader="alice") == soon[1:]


def test_only_the_oldest_events_of_one_reader_are_removed(connection: Connection) -> None:
    pushed = Event(NOW, "push", "a")
    reads = [Event(NOW + number * SECOND, "save", "a") for number in range(5)]
    events.add_events(connection, [pushed])
    events.add_events(connection, reads, reader="alice")
    events.add_events(connection, reads[:1], reader="bob")
    assert events.remove_old_reads(connection, reader="alice", keep=5) == 0
    assert events.remove_old_reads(connection, reader="alice", keep=2) == 3
    left = events.events(connection, since=None, until=None, actions=(), targets=())
    assert list(left) == [pushed, *reads[3:], reads[0]]


def test_events_carry_the_actor_of_their_write_unit(connection: Connection) -> None:
    events.acting(connection, Actor("alice", "192.0.2.1"))
    events.add_events(connection, [events.Event(NOW, "push", "x", {"name": "x:1"})])
    (found,) = events.events(connection, since=None, until=None, actions=(), targets=())
    assert found.attributes == {"name": "x:1", "user": "alice", "address": "192.0.2.1"}


def test_old_events_are_removed_by_age_and_by_number(connection: Connection) -> None:
    def left() -> list[str]:
        found = events.events(connection, since=None, until=None, actions=(), targets=())
        return [one.target for one in found]

    for number in range(5):
        at = NOW + timedelta(seconds=number)
        events.add_events(connection, [events.Event(at, "tag", str(number))])
    events.add_events(connection, [events.Event(NOW, "save", "read")], reader="anonymous")
    assert events.remove_old_events(connection) == 0
    assert events.remove_old_events(connection, keep=3) == 2
    assert left() == ["2", "3", "4", "read"]
    assert events.remove_old_events(connection, before=NOW + timedelta(seconds=3)) == 2
    assert left() == ["3", "4"]
