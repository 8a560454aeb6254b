"""The rows of events and the ledger of imports."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from store.catalog import events
from store.catalog.events import Event
from store.db.schema import import_ledger
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
