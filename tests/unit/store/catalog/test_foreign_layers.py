"""The addresses from which foreign layers can be downloaded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from store.catalog import foreign_layers
from tests.support.catalog_rows import named

if TYPE_CHECKING:
    from tests.support.catalog_rows import Rows


def descriptor(*urls: str) -> bytes:
    return json.dumps({"urls": urls}).encode()


def test_a_descriptor_is_recorded_once(rows: Rows) -> None:
    image, diff = rows.image("image", "diff"), rows.known_or_new("diff")
    put = foreign_layers.put_foreign_source
    assert not foreign_layers.is_foreign(rows.connection, diff)
    assert put(rows.connection, image, diff, descriptor("https://a"))
    assert not put(rows.connection, image, diff, descriptor("https://a"))
    assert foreign_layers.is_foreign(rows.connection, diff)


def test_the_choice_between_descriptors_does_not_depend_on_their_order(rows: Rows) -> None:
    for name, addresses in (("first", "ab"), ("second", "ba")):
        image, diff = rows.image(f"{name} image", name), rows.known_or_new(name)
        for address in addresses:
            foreign_layers.put_foreign_source(
                rows.connection, image, diff, descriptor(f"https://{address}")
            )
        assert foreign_layers.foreign_urls(rows.connection, image) == {named(name): ("https://a",)}


def test_a_descriptor_counts_only_for_its_image(rows: Rows) -> None:
    first, second = rows.image("first", "base"), rows.image("second", "base", "top")
    base = rows.known_or_new("base")
    foreign_layers.put_foreign_source(rows.connection, first, base, descriptor("https://b"))
    assert foreign_layers.foreign_sources(rows.connection, (first, second)) == {
        first: {named("base"): descriptor("https://b")}
    }
    assert foreign_layers.foreign_urls(rows.connection, second) == {}
    foreign_layers.put_foreign_source(rows.connection, second, base, descriptor("https://a"))
    assert foreign_layers.foreign_urls(rows.connection, first) == {named("base"): ("https://b",)}


def test_a_descriptor_without_urls_gives_no_address(rows: Rows) -> None:
    image = rows.image("image", "diff")
    foreign_layers.put_foreign_source(rows.connection, image, rows.known_or_new("diff"), b"{}")
    assert foreign_layers.foreign_urls(rows.connection, image) == {named("diff"): ()}
