"""The addresses from which foreign layers can be downloaded."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from store.catalog import foreign_layers
from store.model.contents import ContentState
from tests.support.catalog_rows import named

if TYPE_CHECKING:
    from tests.support.catalog_rows import Rows


def descriptor(*urls: str) -> bytes:
    return json.dumps({"urls": urls}).encode()


def test_a_descriptor_is_recorded_once(rows: Rows) -> None:
    diff = rows.content("diff", None, ContentState.ABSENT)
    assert not foreign_layers.is_foreign(rows.connection, diff)
    assert foreign_layers.put_foreign_source(rows.connection, diff, descriptor("https://a"))
    assert not foreign_layers.put_foreign_source(rows.connection, diff, descriptor("https://a"))
    assert foreign_layers.is_foreign(rows.connection, diff)


def test_the_choice_between_descriptors_does_not_depend_on_their_order(rows: Rows) -> None:
    first, second = rows.content("first"), rows.content("second")
    for key, addresses in ((first, "ab"), (second, "ba")):
        for address in addresses:
            foreign_layers.put_foreign_source(
                rows.connection, key, descriptor(f"https://{address}")
            )
    wanted = [named("first"), named("second"), named("unknown")]
    assert foreign_layers.foreign_urls(rows.connection, wanted) == {
        named("first"): ("https://a",),
        named("second"): ("https://a",),
    }


def test_a_descriptor_without_urls_gives_no_address(rows: Rows) -> None:
    foreign_layers.put_foreign_source(rows.connection, rows.content("diff"), b"{}")
    assert foreign_layers.foreign_urls(rows.connection, [named("diff")]) == {named("diff"): ()}
