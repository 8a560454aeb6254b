"""Chains of layers, from the base to the top layer of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import func, select

from store.catalog import layers
from store.db.schema import layer
from store.model.digests import ChainID, DiffID
from tests.support.catalog_rows import LAYER_BYTES, named

if TYPE_CHECKING:
    from tests.support.catalog_rows import Rows


def test_images_share_the_layers_of_a_common_base(rows: Rows) -> None:
    rows.image("one", "base", "app")
    rows.image("two", "base", "other")
    rows.image("three", "app", "base")
    count = rows.connection.execute(select(func.count()).select_from(layer)).scalar()
    assert count == 5


def test_a_chain_is_base_first_with_its_chain_ids(rows: Rows) -> None:
    key = rows.image("app", "a", "b", "a")
    diffs = [DiffID(named(name)) for name in "aba"]
    found = layers.chain(rows.connection, key)
    assert [one.diff_id for one in found] == diffs
    assert [one.chain_id for one in found] == list(ChainID.each(diffs))
    assert {one.size_bytes for one in found} == {LAYER_BYTES}


def test_an_image_without_layers_has_no_top(rows: Rows) -> None:
    assert layers.add_chains(rows.connection, [[]]) == [None]
    assert layers.chain(rows.connection, rows.image("scratch")) == ()


def test_chains_of_several_images_stay_apart(rows: Rows) -> None:
    keys = [rows.image("app", "a", "b"), rows.image("other", "a"), rows.image("scratch")]
    found = layers.chains(rows.connection, keys)
    assert {key: [one.diff_id for one in chain] for key, chain in found.items()} == {
        keys[0]: [DiffID(named("a")), DiffID(named("b"))],
        keys[1]: [DiffID(named("a"))],
    }


def test_chains_of_one_call_that_end_in_each_other_are_linked(rows: Rows) -> None:
    diffs = [(DiffID(named(name)), rows.content(name)) for name in "abc"]
    ends = layers.add_chains(rows.connection, [diffs[:2], diffs])
    names = [one.digest for one in ends if one is not None]
    found = rows.connection.execute(
        select(layer.c.id, layer.c.parent_id)
        .where(layer.c.chain_id.in_(names))
        .order_by(layer.c.depth)
    )
    short, long = found.all()
    assert long.parent_id == short.id
