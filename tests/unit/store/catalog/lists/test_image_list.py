"""The list of images, its order and its pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.catalog import images
from store.catalog.lists import image_list
from store.model.digests import ImageID
from store.model.platforms import DEFAULT
from tests.support.catalog_rows import LAYER_BYTES, named

if TYPE_CHECKING:
    from store.catalog.lists.image_list import ListPosition
    from store.db.types import ContentKey
    from tests.support.catalog_rows import Rows


def listed(rows: Rows) -> list[ContentKey]:
    """Insert images, some without a creation time; return their keys in the order of the list."""
    old = rows.image("old", created_s=1)
    first = rows.image("first", created_s=5)
    unknown = rows.image("unknown", created_s=None)
    second = rows.image("second", created_s=5)
    last = rows.image("last", created_s=None)
    return [second, first, old, last, unknown]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6])
def test_pages_of_any_size_make_up_the_whole_list(rows: Rows, limit: int) -> None:
    expected = listed(rows)
    found: list[ContentKey] = []
    after: ListPosition | None = None
    while page := image_list.positions(rows.connection, after=after, limit=limit):
        assert len(page) <= limit
        found += [position.key for position in page]
        assert len(found) <= len(expected)
        after = page[-1]
    assert found == expected


def test_positions_of_some_images_are_in_the_order_of_the_list(rows: Rows) -> None:
    expected = listed(rows)
    found = image_list.positions_of(rows.connection, reversed(expected[1:]))
    assert [position.key for position in found] == expected[1:]
    assert found[0] == image_list.position_of(rows.connection, expected[1])


def test_a_summary_names_the_parent(rows: Rows) -> None:
    base, app = rows.image("base", created_s=None), rows.image("app", created_s=3)
    images.set_parent(rows.connection, app, base)
    found = image_list.summaries(rows.connection, [base, app])
    assert (found[base].parent, found[base].has_children) == (None, True)
    assert found[app] == image_list.ImageSummary(
        app, ImageID(named("app")), 3, ImageID(named("base")), has_children=False, platform=DEFAULT
    )


def test_a_repeated_layer_counts_each_time(rows: Rows) -> None:
    app, scratch = rows.image("app", "a", "b", "a"), rows.image("scratch")
    assert image_list.total_sizes(rows.connection, [app, scratch]) == {app: 3 * LAYER_BYTES}


def test_the_sizes_of_all_images_are_those_of_each(rows: Rows) -> None:
    keys = [
        rows.image("scratch"),
        rows.image("base", "a"),
        rows.image("app", "a", "b", "a"),
        rows.image("other", "c", "b"),
        rows.image("same", "a", "b", "a"),
    ]
    assert image_list.every_total_size(rows.connection) == image_list.total_sizes(
        rows.connection, keys
    )


def test_manifests_of_images_are_in_order(rows: Rows) -> None:
    app, other = rows.image("app"), rows.image("other")
    rows.manifest("one", app)
    rows.manifest("two", app)
    assert image_list.manifest_digests(rows.connection, [app, other]) == {
        app: sorted([named("one"), named("two")], key=str)
    }


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["a"], {"both", "one"}),
        (["a=1"], {"both", "one"}),
        (["a=2"], set()),
        (["a", "b=x=y"], {"both"}),
        (["b="], {"empty"}),
        ([], set()),
    ],
)
def test_an_image_has_to_have_every_label(rows: Rows, wanted: list[str], found: set[str]) -> None:
    keys = {
        rows.image("both", labels={"a": "1", "b": "x=y"}): "both",
        rows.image("one", labels={"a": "1"}): "one",
        rows.image("empty", labels={"b": ""}): "empty",
    }
    rows.manifest("m", annotations={"a": "1"})
    assert {keys[key] for key in image_list.with_labels(rows.connection, wanted)} == found


def test_only_the_digests_of_indexes_have_a_key(rows: Rows) -> None:
    rows.manifest("one", rows.image("app"))
    index = rows.index("all", ("one", None))
    wanted = [named("one"), named("all"), named("absent"), *(named(str(n)) for n in range(1000))]
    assert image_list.index_keys(rows.connection, wanted) == {named("all"): index}
