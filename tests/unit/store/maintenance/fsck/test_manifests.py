"""Rows of manifests and links that do not describe their documents."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from tests.support.checked_stores import check, facts, tampered
from tests.support.images import A, B
from tests.support.layouts import Layout, foreign, gzip, plain

if TYPE_CHECKING:
    from store import Store

TAMPERED = {
    ("wrong-edges", "manifest_edge"): [
        "DELETE FROM manifest_edge WHERE role = 'layer' AND position = 1",
        "UPDATE manifest_edge SET media_type = media_type || 'x' WHERE role = 'config'",
        'UPDATE manifest_edge SET annotations = \'{"a":"b"}\' WHERE annotations IS NULL',
        "UPDATE manifest_edge SET platform = replace(platform, 'linux', 'lioux')",
        "UPDATE manifest_edge SET urls = '{' WHERE urls IS NOT NULL",
        "UPDATE manifest_edge SET content_id = 1 WHERE role = 'layer'",
        "UPDATE manifest_edge SET content_id = 99999 WHERE role = 'layer'",
        "UPDATE manifest_edge SET position = 'one' WHERE role = 'config'",
    ],
    ("wrong-facts", "manifest"): [
        "UPDATE manifest SET kind = 'index' WHERE kind = 'manifest'",
        "UPDATE manifest SET artifact_type = 'a/c'",
        "UPDATE manifest SET subject_id = 1",
    ],
    ("bad-manifest", "manifest"): [
        "UPDATE manifest SET media_type = 'x/y'",
        "UPDATE manifest SET media_type = CAST(media_type AS BLOB)",
        (
            "INSERT INTO manifest (content_id, media_type, kind)"
            " SELECT content_id, 'x/y', 'manifest' FROM image"
        ),
    ],
    ("wrong-image", "manifest"): [
        "UPDATE manifest SET image_id = content_id WHERE image_id IS NOT NULL"
    ],
    ("senseless-row", "manifest"): ["UPDATE manifest SET diff_state = 'verigied'"],
    ("wrong-labels", "label"): ["UPDATE label SET value = 'z'"],
    ("wrong-facts", "repository_content"): [
        (
            "UPDATE repository_content SET media_type = 'application/x' "
            "WHERE content_id IN (SELECT content_id FROM manifest)"
        )
    ],
    ("wrong-size", "content"): [
        (
            "UPDATE content SET size_bytes = size_bytes + 1 WHERE id IN"
            " (SELECT content_id FROM encoding)"
        )
    ],
}


@pytest.mark.parametrize(
    ("found", "statement"), [(found, one) for found, some in TAMPERED.items() for one in some]
)
def test_each_wrong_row_is_found(store: Store, found: tuple[str, str], statement: str) -> None:
    layout = Layout()
    one = layout.image(plain(A), gzip(B), annotations={"made": "today"})
    index = layout.index(one, layout.image(B, platform="linux/arm64"), annotations={"x": "y"})
    layout.root(index, "docker.io/team/many:1")
    far = layout.image(A, foreign(plain(b"far away"), "https://example.org/layer"))
    layout.root(far, "docker.io/team/far:1")
    layout.root(layout.artifact(b"signature", subject=index))
    store.import_archive(io.BytesIO(layout.tar()))
    assert check(store) == []
    tampered(store, statement)
    assert found in facts(store)
