"""Rows of content and the state of each row."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from store.catalog import content
from store.catalog.batches import BATCH
from store.catalog.checking import marks
from store.catalog.documents import put_documents
from store.model.contents import ContentState
from store.model.digests import Digest
from tests.support.catalog_rows import NOW, named

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tests.support.catalog_rows import Rows

PRESENT, ABSENT, DAMAGED = ContentState.PRESENT, ContentState.ABSENT, ContentState.DAMAGED


@pytest.mark.parametrize(
    ("before", "ensured", "after", "size"),
    [
        (ABSENT, PRESENT, PRESENT, 2),
        (DAMAGED, PRESENT, PRESENT, 2),
        (PRESENT, PRESENT, PRESENT, 1),
        (PRESENT, ABSENT, PRESENT, 1),
        (DAMAGED, ABSENT, DAMAGED, 1),
    ],
)
def test_a_state_changes_only_to_present(
    rows: Rows, before: ContentState, ensured: ContentState, after: ContentState, size: int
) -> None:
    key = rows.content("c", 1, before)
    assert rows.content("c", 2, ensured) == key
    found = content.find(rows.connection, [named("c")])[named("c")]
    assert (found.state, found.size_bytes) == (after, size)


def test_more_digests_than_fit_one_statement_are_found(connection: Connection) -> None:
    digests = [Digest.of(str(number).encode()) for number in range(BATCH + 5)]
    keys = content.ensure_all(connection, dict.fromkeys(digests, 1), PRESENT)
    assert set(content.find(connection, [*digests, named("unknown")])) == set(digests)
    assert len(set(keys.values())) == len(digests)


def test_absent_content_is_not_present(rows: Rows) -> None:
    rows.content("here")
    rows.content("there", None, ABSENT)
    wanted = [named("here"), named("there"), named("unknown")]
    assert content.present(rows.connection, wanted) == {named("here")}


def test_a_file_replaces_damaged_inline_bytes(rows: Rows) -> None:
    digest = Digest.of(b"right")
    put_documents(rows.connection, {digest: b"wrong"})
    marks.mark_damaged(rows.connection, digest)
    content.put_blob(rows.connection, digest, 5, NOW)
    found = content.sources(rows.connection, [digest])[digest]
    assert (found.inline, found.in_file) == (None, True)


def test_a_damaged_file_has_a_row_and_is_not_sound(rows: Rows) -> None:
    rows.blob("file")
    marks.mark_damaged(rows.connection, named("file"))
    assert content.has_blob_row(rows.connection, named("file"))
    assert not content.has_sound_file(rows.connection, named("file"))
    assert not content.has_blob_row(rows.connection, named("other"))


def test_damaged_content_that_can_be_decoded_loses_its_file(rows: Rows) -> None:
    rows.blob("damaged")
    rows.blob("sound")
    marks.mark_damaged(rows.connection, named("damaged"))
    _, files = content.ensure_decoded(rows.connection, {named("damaged"): 10, named("sound"): 10})
    assert files == [named("damaged")]
    assert content.with_blob_rows(rows.connection, [named("damaged"), named("sound")]) == {
        named("sound")
    }


def test_encodings_are_offered_cheapest_first_and_damaged_ones_not_at_all(rows: Rows) -> None:
    diff = rows.content("diff")
    for name, size, codec, seekable in (
        ("gzip", 1, "gzip", False),
        ("zstd", 2, "zstd", False),
        ("frames", 3, "zstd", True),
        ("damaged", 1, "zstd", True),
    ):
        rows.encoding(diff, rows.blob(name, size), codec, seekable=seekable)
    marks.mark_damaged(rows.connection, named("damaged"))
    found = content.sources(rows.connection, [named("diff"), named("unknown")])
    assert set(found) == {named("diff")}
    assert [one.digest for one in found[named("diff")].encodings] == [
        named("frames"),
        named("zstd"),
        named("gzip"),
    ]


def test_a_forgotten_file_is_no_source(rows: Rows) -> None:
    rows.blob("file", 3)
    assert content.sources(rows.connection, [named("file")])[named("file")].in_file
    content.forget_file(rows.connection, named("file"))
    assert not content.sources(rows.connection, [named("file")])[named("file")].in_file


def test_a_file_that_is_published_again_has_the_time_of_its_last_publication(rows: Rows) -> None:
    rows.blob("one")
    rows.blob("two")
    assert content.published_at(rows.connection, [named("one"), named("?")]) == {named("one"): NOW}
    later = NOW + timedelta(hours=1)
    content.put_blob(rows.connection, named("one"), 10, later)
    content.note_published(rows.connection, [named("two")], later)
    wanted = [named("one"), named("two")]
    assert content.published_at(rows.connection, wanted) == dict.fromkeys(wanted, later)
