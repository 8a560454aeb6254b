"""Ceilings for the history: which rows are removed, and which stay whatever the ceiling is."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from store.catalog import events, naming, references, variants
from store.catalog.collection import history
from store.db.schema import import_ledger, reference_log
from store.model.digests import Digest
from store.model.references import Reference
from tests.support.catalog_rows import NOW

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tests.support.catalog_rows import Rows


def at(number: int) -> timedelta:
    return timedelta(seconds=number)


@pytest.fixture
def filled(rows: Rows) -> Connection:
    """Return a catalogue with five tags, five events and five imports, a second after the other."""
    manifest = rows.manifest("m")
    for number in range(5):
        now = NOW + at(number)
        naming.set_tags(
            rows.connection, {Reference.parse(f"app:{number}"): manifest}, now=now, operation="push"
        )
        events.add_events(rows.connection, [events.Event(now, "push", str(number))])
        events.add_ledger_entry(
            rows.connection,
            at=now,
            claim=Digest.of(b"claim"),
            source=str(number),
            images={},
            changed=True,
            operation="import",
        )
    return rows.connection


def left(connection: Connection) -> tuple[list[str], list[str], list[str]]:
    """Return what is left of the events, the changes of tags, and the imports."""
    listed = events.events(connection, since=None, until=None, actions=(), targets=())
    return (
        [one.target for one in listed],
        list(
            connection.execute(select(reference_log.c.tag).order_by(reference_log.c.id)).scalars()
        ),
        list(connection.execute(select(import_ledger.c.source)).scalars()),
    )


def test_by_default_a_small_history_stays(filled: Connection) -> None:
    assert history.remove_old(filled).events == 0
    assert left(filled) == (["0", "1", "2", "3", "4"],) * 3


def test_the_newest_of_each_kind_stay(filled: Connection) -> None:
    assert history.remove_old(filled, keep=2) == history.Removed(3, has_more=False)
    assert left(filled) == (["3", "4"],) * 3


def test_what_is_older_is_removed(filled: Connection) -> None:
    assert history.remove_old(filled, before=NOW + at(3)).events == 3
    assert left(filled) == (["3", "4"],) * 3
    assert history.remove_old(filled, before=NOW).events == 0


def test_age_and_number_are_both_limits(filled: Connection) -> None:
    history.remove_old(filled, before=NOW + at(1), keep=2)
    assert left(filled) == (["3", "4"],) * 3


@pytest.mark.parametrize("ceiling", ["MAX_TAG_CHANGES", "MAX_IMPORTS"])
def test_each_kind_has_a_ceiling(
    ceiling: str, filled: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, ceiling, 1)
    history.remove_old(filled)
    kept = left(filled)[1 if ceiling == "MAX_TAG_CHANGES" else 2]
    assert kept == ["4"]


def test_the_newest_change_of_a_tag_always_stays(filled: Connection) -> None:
    """The version of all names is compared with an earlier one, so it must not go back."""
    before = references.version(filled)[0]
    history.remove_old(filled, before=NOW + at(100), keep=0)
    assert left(filled) == ([], ["4"], [])
    assert references.version(filled)[0] == before


def test_a_variant_is_known_however_old_it_is(rows: Rows) -> None:
    manifest = rows.manifest("m")
    name, mine = Reference.parse("app:1-gzip"), Reference.parse("app:2-gzip")
    for one in (name, mine):
        naming.set_tags(rows.connection, {one: manifest}, now=NOW, operation=variants.OFFER)
    naming.set_tags(rows.connection, {mine: rows.manifest("n")}, now=NOW, operation="push")
    naming.set_tags(
        rows.connection, {Reference.parse("other:1"): manifest}, now=NOW + at(1), operation="push"
    )
    history.remove_old(rows.connection, before=NOW + at(1))
    assert variants.is_offered(rows.connection, name)
    assert not variants.is_offered(rows.connection, mine)
    assert left(rows.connection)[1] == ["1-gzip", "1"]
    # The change is removed when the tag is gone.
    target = references.get(rows.connection, name)
    assert target is not None
    naming.remove_tag(rows.connection, target, now=NOW + at(2), operation="untag")
    history.remove_old(rows.connection, before=NOW + at(3))
    assert left(rows.connection)[1] == ["1-gzip"]
    assert not variants.is_offered(rows.connection, name)


def test_gaps_in_the_numbers_do_not_count(filled: Connection) -> None:
    filled.execute(import_ledger.delete().where(import_ledger.c.source.in_(["1", "2"])))
    history.remove_old(filled, keep=3)
    assert left(filled)[2] == ["0", "3", "4"]


@pytest.mark.parametrize("limits", [{"keep": 0}, {"before": NOW + at(100)}])
def test_one_call_removes_some_rows_of_each_kind(
    limits: dict[str, Any], filled: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MAX_REMOVED", 2)
    rows = ["0", "1", "2", "3", "4"]
    for number in (2, 4):
        assert history.remove_old(filled, **limits) == history.Removed(2, has_more=True)
        assert left(filled) == (rows[number:],) * 3
    assert history.remove_old(filled, **limits) == history.Removed(1, has_more=False)
    assert left(filled) == ([], ["4"], [])


@pytest.mark.parametrize("number", range(7))
def test_the_first_row_that_is_not_too_old_is_found(number: int, filled: Connection) -> None:
    filled.execute(import_ledger.delete().where(import_ledger.c.source == "2"))
    history.remove_old(filled, before=NOW + at(number))
    assert left(filled)[2] == [one for one in ("0", "1", "3", "4") if int(one) >= number]
