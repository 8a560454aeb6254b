"""Rows of encodings, and the decoded content that each row refers to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import IntegrityError

from store.catalog import content, encodings
from store.catalog.checking import marks
from store.db.schema import manifest, manifest_edge
from store.model.contents import ContentState
from tests.support.catalog_rows import named

if TYPE_CHECKING:
    from tests.support.catalog_rows import Rows


def test_an_encoding_is_recorded_once(rows: Rows) -> None:
    diff, stored = rows.content("diff"), rows.blob("stored")
    rows.encoding(diff, stored)
    rows.encoding(diff, stored)
    wanted = [named("stored"), named("unknown")]
    assert encodings.encoded(rows.connection, wanted) == {(named("stored"), named("diff"))}


def test_one_blob_can_decode_to_two_digests(rows: Rows) -> None:
    stored = rows.blob("stored")
    rows.encoding(rows.content("sha256"), stored)
    rows.encoding(rows.content("sha512"), stored)
    assert encodings.encoded(rows.connection, [named("stored")]) == {
        (named("stored"), named("sha256")),
        (named("stored"), named("sha512")),
    }


def test_damaged_content_decodes_to_nothing(rows: Rows) -> None:
    rows.encoding(rows.content("diff"), rows.blob("stored"))
    marks.mark_damaged(rows.connection, named("stored"))
    assert encodings.encoded(rows.connection, [named("stored")]) == set()


def flags(rows: Rows) -> set[tuple[bool, bool, bool]]:
    found = content.sources(rows.connection, [named("diff")])[named("diff")].encodings
    return {(one.is_ours, one.is_checked, one.seekable) for one in found}


def foreign(rows: Rows) -> None:
    new = encodings.NewEncoding(
        rows.content("diff"),
        rows.blob("stored"),
        "zstd",
        seekable=False,
        ours=False,
        checked=False,
    )
    encodings.put_encodings(rows.connection, [new])


def test_a_check_is_noted_for_one_encoding(rows: Rows) -> None:
    foreign(rows)
    encodings.note_check(rows.connection, named("diff"), named("unknown"), seekable=True)
    assert flags(rows) == {(False, False, False)}
    encodings.note_check(rows.connection, named("diff"), named("stored"), seekable=True)
    assert flags(rows) == {(False, True, True)}


def test_an_encoding_is_not_seekable_before_it_is_proven(rows: Rows) -> None:
    new = encodings.NewEncoding(
        rows.content("diff"), rows.blob("stored"), "zstd", seekable=True, ours=False, checked=False
    )
    with pytest.raises(IntegrityError, match="seekable_is_proven"):
        encodings.put_encodings(rows.connection, [new])


def test_one_encoding_is_forgotten_and_the_blob_stays(rows: Rows) -> None:
    foreign(rows)
    rows.encoding(rows.content("diff"), rows.blob("other"))
    encodings.forget(rows.connection, named("diff"), named("unknown"))
    encodings.forget(rows.connection, named("diff"), named("stored"))
    assert flags(rows) == {(True, True, False)}
    assert content.has_sound_file(rows.connection, named("stored"))


def test_what_is_ours_is_preferred_to_what_is_smaller(rows: Rows) -> None:
    diff = rows.content("diff")
    encodings.put_encodings(
        rows.connection,
        [
            encodings.NewEncoding(diff, rows.blob(name, size), codec, seekable, ours, checked)
            for name, size, codec, seekable, ours, checked in (
                ("unchecked", 1, "zstd", False, False, False),
                ("checked", 2, "zstd", True, False, True),
                ("slow", 1, "zstd", False, False, True),
                ("ours", 9, "gzip", False, True, True),
                ("fast", 9, "zstd", True, True, True),
            )
        ],
    )
    found = content.sources(rows.connection, [named("diff")])[named("diff")].encodings
    order = [named(name) for name in ("fast", "ours", "checked", "slow", "unchecked")]
    assert [one.digest for one in found] == order


def test_damaged_encodings_of_repaired_content_lose_their_rows(rows: Rows) -> None:
    diff = rows.content("diff")
    for name in ("sound", "damaged", "listed"):
        rows.encoding(diff, rows.blob(name))
    rows.connection.execute(
        manifest.insert().values(
            content_id=rows.content("manifest"), media_type="x/y", kind="manifest"
        )
    )
    rows.connection.execute(
        manifest_edge.insert().values(
            manifest_id=rows.content("manifest"),
            content_id=rows.blob("listed"),
            role="layer",
            position=0,
            media_type="x/y",
        )
    )
    for name in ("damaged", "listed"):
        marks.mark_damaged(rows.connection, named(name))
    assert encodings.drop_damaged(rows.connection, [diff]) == [named("damaged")]
    states = content.find(rows.connection, [named("damaged"), named("listed")])
    assert states[named("damaged")].state is ContentState.ABSENT
    assert states[named("listed")].state is ContentState.DAMAGED
    assert not content.has_blob_row(rows.connection, named("damaged"))
    (left,) = content.sources(rows.connection, [named("diff")])[named("diff")].encodings
    assert left.digest == named("sound")
    assert encodings.drop_damaged(rows.connection, [diff]) == []
