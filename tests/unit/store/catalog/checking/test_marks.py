from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog import content
from store.catalog.checking import marks
from store.model.contents import ContentState
from tests.support.catalog_rows import named

if TYPE_CHECKING:
    from tests.support.catalog_rows import Rows

PRESENT, DAMAGED, ABSENT = ContentState.PRESENT, ContentState.DAMAGED, ContentState.ABSENT


def state(rows: Rows, name: str) -> ContentState:
    return content.find(rows.connection, [named(name)])[named(name)].state


def test_content_is_damaged_with_the_last_encoding_it_can_be_decoded_from(rows: Rows) -> None:
    diff, first, second = rows.content("diff"), rows.blob("first"), rows.blob("second")
    rows.encoding(diff, first)
    rows.encoding(diff, second, "zstd")

    marks.mark_damaged(rows.connection, named("first"))
    assert state(rows, "diff") is PRESENT
    marks.mark_damaged(rows.connection, named("second"))
    assert state(rows, "diff") is DAMAGED


def test_content_with_a_file_of_its_own_outlives_its_encodings(rows: Rows) -> None:
    rows.encoding(rows.blob("diff"), rows.blob("stored"))
    marks.mark_damaged(rows.connection, named("stored"))
    assert content.present(rows.connection, [named("diff")]) == {named("diff")}


def test_a_cleared_mark_makes_decoded_content_present(rows: Rows) -> None:
    for name in ("blob", "other"):
        rows.encoding(rows.content(f"diff of {name}"), rows.blob(name))
        marks.mark_damaged(rows.connection, named(name))
    marks.clear_damage(rows.connection, named("blob"))
    assert [state(rows, name) for name in ("blob", "diff of blob")] == [PRESENT, PRESENT]
    assert [state(rows, name) for name in ("other", "diff of other")] == [DAMAGED, DAMAGED]


def test_content_with_a_damaged_file_of_its_own_keeps_its_mark(rows: Rows) -> None:
    rows.encoding(rows.blob("diff"), rows.blob("stored"))
    for name in ("stored", "diff"):
        marks.mark_damaged(rows.connection, named(name))
    marks.clear_damage(rows.connection, named("stored"))
    assert (state(rows, "stored"), state(rows, "diff")) == (PRESENT, DAMAGED)


def test_only_damaged_content_becomes_present(rows: Rows) -> None:
    rows.content("absent", state=ABSENT)
    marks.clear_damage(rows.connection, named("absent"))
    assert state(rows, "absent") is ABSENT
