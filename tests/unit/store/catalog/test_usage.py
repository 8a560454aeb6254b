"""Counts and sums of bytes over the whole store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog import usage
from tests.support.catalog_rows import AMD64, LAYER_BYTES

if TYPE_CHECKING:
    from tests.support.catalog_rows import Rows


def test_a_layer_that_an_image_repeats_counts_twice_in_its_size(rows: Rows) -> None:
    twice, scratch = rows.image("twice", "a", "a"), rows.image("scratch")
    assert usage.sizes(rows.connection) == {twice: 2 * LAYER_BYTES}
    assert usage.size_of_images(rows.connection) == 2 * LAYER_BYTES
    assert usage.images(rows.connection) == {twice, scratch}


def test_shared_bytes_are_of_diffs_that_another_image_has_too(rows: Rows) -> None:
    one, two = rows.image("one", "base", "a"), rows.image("two", "b", "base")
    rows.image("three", "c", "c")
    assert usage.shared_bytes(rows.connection) == {one: LAYER_BYTES, two: LAYER_BYTES}


def test_an_image_named_only_through_an_index_is_not_named_itself(rows: Rows) -> None:
    direct, inside = rows.image("direct", "a", "b"), rows.image("inside", "c")
    rows.tag("demo:1", rows.manifest("m", direct))
    rows.manifest("n", inside)
    rows.tag("demo:2", rows.index("index", ("n", AMD64)))
    assert usage.named_images(rows.connection) == {direct}
    assert usage.diffs_of_named(rows.connection) == {rows.content("a"), rows.content("b")}


def test_diffs_of_images_are_sets(rows: Rows) -> None:
    one, scratch = rows.image("one", "a", "b", "a"), rows.image("scratch")
    assert usage.diffs_of(rows.connection, [one, scratch]) == {
        one: {rows.content("a"), rows.content("b")}
    }


def test_files_count_encodings_of_layers(rows: Rows) -> None:
    rows.image("app", "plain", "encoded")
    plain = rows.blob("plain", 50)
    encoded = rows.content("encoded")
    rows.encoding(encoded, rows.blob("gzip", 40))
    rows.blob("not a layer", 7)
    assert usage.files(rows.connection) == usage.Sum(3, LAYER_BYTES + 40 + 7)
    assert usage.layer_sizes(rows.connection) == {plain: LAYER_BYTES, encoded: LAYER_BYTES}


def test_an_empty_store_has_sums_of_zero(rows: Rows) -> None:
    assert usage.size_of_images(rows.connection) == 0
    assert usage.files(rows.connection) == usage.Sum(0, 0)
