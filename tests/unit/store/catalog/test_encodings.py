"""Stored encodings of content, and the content that they decode to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog import content, encodings
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
    content.mark_damaged(rows.connection, named("stored"))
    assert encodings.encoded(rows.connection, [named("stored")]) == set()
