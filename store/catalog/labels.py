"""Labels of images and annotations of manifests, for searches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from store.catalog.batches import batches, insert_rows
from store.db.schema import label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from store.db.types import ContentKey


def put(connection: Connection, labels: Mapping[ContentKey, Mapping[str, str]]) -> None:
    """Record the labels of images and the annotations of manifests.

    The labels of a digest never change, so digests with recorded labels are skipped.

    Args:
        connection: An open write transaction.
        labels: Labels or annotations, by the row number of the config or manifest.
    """
    wanted = [key for key, mine in labels.items() if mine]
    there: set[int] = set()
    for some in batches(wanted):
        there.update(
            connection.execute(
                select(label.c.content_id).where(label.c.content_id.in_(some))
            ).scalars()
        )
    rows = (
        {"content_id": key, "key": name, "value": value}
        for key in wanted
        if key not in there
        for name, value in labels[key].items()
    )
    insert_rows(connection, label, rows)
