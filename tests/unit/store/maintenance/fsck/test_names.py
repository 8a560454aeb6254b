"""Rows of names that make no sense, or contradict the log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.checked_stores import check, facts, tampered
from tests.support.images import A, B
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from store import Store

TAMPERED = {
    ("wrong-name", "repository"): [
        "UPDATE repository SET name = 'docker.io/library/X'",
        "UPDATE repository SET name = CAST(name AS BLOB)",
        "UPDATE repository SET name = 'x'",
    ],
    ("wrong-name", "reference"): [
        "UPDATE reference SET tag = '1 2' WHERE id = 1",
        "UPDATE reference SET tag = CAST(tag AS BLOB) WHERE id = 1",
    ],
    ("wrong-reference", "reference"): [
        "UPDATE reference SET manifest_id = (SELECT max(manifest_id) FROM reference)",
        "UPDATE reference SET tagged_at = '2001-01-01T00:00:00.000000Z'",
    ],
    ("wrong-name", "kept"): [
        "INSERT INTO kept SELECT manifest_id, tagged_at FROM reference WHERE id = 1"
    ],
    ("wrong-state", "content"): [
        "UPDATE content SET state = 'absent' WHERE id IN (SELECT content_id FROM document)"
    ],
    ("no-bytes", "content"): [
        "DELETE FROM encoding WHERE content_id = (SELECT min(content_id) FROM encoding)"
    ],
}


@pytest.mark.parametrize(
    ("found", "statement"), [(found, one) for found, some in TAMPERED.items() for one in some]
)
def test_each_wrong_row_is_found(store: Store, found: tuple[str, str], statement: str) -> None:
    put_image(store, A, tags=("x:1",))
    put_image(store, B, tags=("x:2",))
    assert check(store) == []
    tampered(store, statement)
    assert found in facts(store)


def test_a_name_whose_change_is_no_longer_in_the_log_is_sound(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    tampered(store, "DELETE FROM reference_log")
    assert check(store) == []
