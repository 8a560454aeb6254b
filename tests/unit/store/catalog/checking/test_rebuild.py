from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog import content
from store.catalog.checking import rebuild
from store.model.digests import DiffID, Digest
from tests.support.images import A, B
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from store import Store


def test_a_chain_gets_its_missing_rows_and_right_links(store: Store) -> None:
    image_id = put_image(store, A, B, tags=("x:1",))
    with store.write() as connection:
        found = content.find(connection, (Digest.of(A), Digest.of(B)))
        diffs = [(DiffID(digest), found[digest].key) for digest in (Digest.of(A), Digest.of(B))]
        top = rebuild.ensure_chain(connection, diffs)
        connection.exec_driver_sql("UPDATE layer SET diff_id = ? WHERE depth = 2", (diffs[0][1],))
        assert rebuild.ensure_chain(connection, diffs) == top
        assert rebuild.ensure_chain(connection, diffs[1:]) not in (None, top)
        assert rebuild.ensure_chain(connection, []) is None
        assert rebuild.all_images(connection) == [image_id.digest]
        connection.exec_driver_sql(
            "DELETE FROM layer WHERE diff_id = ? AND depth = 1", (diffs[1][1],)
        )
    assert [finding.kind for finding in store.fsck()] == []
