"""Rows of layers and images that do not describe their configs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.maintenance.fsck.images import as_json
from tests.support.checked_stores import check, facts, tampered
from tests.support.images import A, B
from tests.support.stored_images import put_image, set_parent

if TYPE_CHECKING:
    from store import ImageID, Store

TAMPERED = {
    ("wrong-chain", "layer"): [
        (
            "UPDATE layer SET chain_id = replace(chain_id, substr(chain_id, 60), '000000000000')"
            " WHERE depth = 2"
        ),
        "UPDATE layer SET depth = 3 WHERE depth = 2",
        "UPDATE layer SET parent_id = id WHERE depth = 2",
        "UPDATE layer SET diff_id = (SELECT diff_id FROM layer WHERE depth = 1) WHERE depth = 2",
        "UPDATE layer SET diff_id = 99 WHERE depth = 2",
        "UPDATE layer SET depth = 'two' WHERE depth = 2",
    ],
    ("wrong-layers", "image"): [
        "UPDATE image SET top_layer_id = (SELECT id FROM layer WHERE depth = 1)",
        "UPDATE image SET top_layer_id = NULL",
    ],
    ("wrong-facts", "image"): [
        "UPDATE image SET os = 'lioux'",
        "UPDATE image SET architecture = CAST(architecture AS BLOB)",
        "UPDATE image SET variant = 'v8'",
        "UPDATE image SET created_s = 1",
    ],
    ("wrong-labels", "label"): [
        "UPDATE label SET value = 'prof'",
        "UPDATE label SET key = 'stagf'",
        "DELETE FROM label",
    ],
    ("senseless-row", "image"): ["UPDATE image SET diff_state = 'verigied'"],
    ("bad-config", "image"): [
        (
            "INSERT INTO image (content_id, os, architecture, variant, diff_state)"
            " SELECT content_id, 'linux', 'amd64', '', 'verified' FROM manifest"
        )
    ],
}


@pytest.mark.parametrize(
    ("found", "statement"), [(found, one) for found, some in TAMPERED.items() for one in some]
)
def test_each_wrong_row_is_found(store: Store, found: tuple[str, str], statement: str) -> None:
    put_image(store, A, B, tags=("x:1",), labels={"stage": "prod"})
    assert check(store) == []
    tampered(store, statement)
    assert found in facts(store)


def test_parents_that_lead_back_are_found_once(store: Store) -> None:
    one, two = put_image(store, A, tags=("x:1",)), put_image(store, B, tags=("x:2",))
    set_parent(store, one, two)
    assert check(store) == []
    set_parent(store, two, one)
    assert facts(store) == [("circle", "image")]


def test_a_row_without_a_document_ends_nothing(store: Store, image_id: ImageID) -> None:
    assert image_id
    tampered(store, "DELETE FROM document")
    assert ("no-bytes", "content") in facts(store)


def test_json_columns_are_compared_as_values() -> None:
    assert as_json('{"b": 1, "a": 2}') == {"a": 2, "b": 1}
    assert (as_json(None), as_json("{"), as_json(7)) == (None, "{", 7)
