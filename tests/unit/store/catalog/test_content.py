"""Rows of content and the state of each row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.catalog import content
from store.catalog.batches import BATCH
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


def test_a_document_replaces_a_damaged_one(rows: Rows) -> None:
    digest = Digest.of(b"right")
    content.put_documents(rows.connection, {digest: b"wrong"})
    content.put_documents(rows.connection, {digest: b"right"})
    assert content.sources(rows.connection, [digest])[digest].inline == b"wrong"
    content.mark_damaged(rows.connection, digest)
    content.put_documents(rows.connection, {digest: b"right"})
    assert content.sources(rows.connection, [digest])[digest].inline == b"right"


def test_a_file_replaces_damaged_inline_bytes(rows: Rows) -> None:
    digest = Digest.of(b"right")
    content.put_documents(rows.connection, {digest: b"wrong"})
    content.mark_damaged(rows.connection, digest)
    content.put_blob(rows.connection, digest, 5, NOW)
    found = content.sources(rows.connection, [digest])[digest]
    assert (found.inline, found.in_file) == (None, True)


def test_a_damaged_file_has_a_row_and_is_not_sound(rows: Rows) -> None:
    rows.blob("file")
    content.mark_damaged(rows.connection, named("file"))
    assert content.has_blob_row(rows.connection, named("file"))
    assert not content.has_sound_file(rows.connection, named("file"))
    assert not content.has_blob_row(rows.connection, named("other"))


def test_damaged_content_that_can_be_decoded_loses_its_file(rows: Rows) -> None:
    rows.blob("damaged")
    rows.blob("sound")
    content.mark_damaged(rows.connection, named("damaged"))
    _, files = content.ensure_decoded(rows.connection, {named("damaged"): 10, named("sound"): 10})
    assert files == [named("damaged")]
    assert content.with_blob_rows(rows.connection, [named("damaged"), named("sound")]) == {
        named("sound")
    }


def test_content_is_damaged_with_the_last_encoding_it_can_be_decoded_from(rows: Rows) -> None:
    diff, first, second = rows.content("diff"), rows.blob("first"), rows.blob("second")
    rows.encoding(diff, first)
    rows.encoding(diff, second, "zstd")

    def state() -> ContentState:
        return content.find(rows.connection, [named("diff")])[named("diff")].state

    content.mark_damaged(rows.connection, named("first"))
    assert state() is PRESENT
    content.mark_damaged(rows.connection, named("second"))
    assert state() is DAMAGED


def test_content_with_a_file_of_its_own_outlives_its_encodings(rows: Rows) -> None:
    rows.encoding(rows.blob("diff"), rows.blob("stored"))
    content.mark_damaged(rows.connection, named("stored"))
    assert content.present(rows.connection, [named("diff")]) == {named("diff")}


def test_encodings_are_offered_cheapest_first_and_damaged_ones_not_at_all(rows: Rows) -> None:
    diff = rows.content("diff")
    for name, size, codec, seekable in (
        ("gzip", 1, "gzip", False),
        ("zstd", 2, "zstd", False),
        ("frames", 3, "zstd", True),
        ("damaged", 1, "zstd", True),
    ):
        rows.encoding(diff, rows.blob(name, size), codec, seekable=seekable)
    content.mark_damaged(rows.connection, named("damaged"))
    found = content.sources(rows.connection, [named("diff"), named("unknown")])
    assert set(found) == {named("diff")}
    assert [one.digest for one in found[named("diff")].encodings] == [
        named("frames"),
        named("zstd"),
        named("gzip"),
    ]


def test_a_forgotten_file_is_no_source(rows: Rows) -> None:
    content.add_blob(rows.connection, named("file"), 3, NOW)
    assert content.sources(rows.connection, [named("file")])[named("file")].in_file
    content.forget_file(rows.connection, named("file"))
    assert not content.sources(rows.connection, [named("file")])[named("file")].in_file
