"""Condemned files: rows of the files that are to be unlinked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog.collection import condemned
from tests.support.catalog_rows import NOW, named

if TYPE_CHECKING:
    from tests.support.catalog_rows import Rows


def test_a_file_is_condemned_once(rows: Rows) -> None:
    condemned.condemn(rows.connection, [named("a"), named("a")], NOW)
    condemned.condemn(rows.connection, [named("a"), named("b")], NOW)
    expected = sorted([named("a"), named("b")], key=str)
    assert condemned.next_condemned(rows.connection, 9) == expected
    assert condemned.next_condemned(rows.connection, 1) == expected[:1]


def test_a_file_that_was_stored_again_is_marked_to_stay(rows: Rows) -> None:
    condemned.condemn(rows.connection, [named("again"), named("gone")], NOW)
    rows.blob("again")
    rows.content("gone")
    wanted = [named("again"), named("gone"), named("never")]
    assert dict(condemned.still_condemned(rows.connection, wanted)) == {
        named("again"): True,
        named("gone"): False,
    }


def test_a_forgotten_file_is_not_condemned_any_more(rows: Rows) -> None:
    condemned.condemn(rows.connection, [named("a"), named("b")], NOW)
    condemned.forget(rows.connection, [named("a")])
    assert condemned.next_condemned(rows.connection, 9) == [named("b")]
