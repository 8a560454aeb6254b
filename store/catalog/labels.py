"""Labels of images and annotations of manifests, for searches."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from sqlalchemy.dialects.sqlite import insert

from store.catalog.batches import BATCH
from store.db.schema import label

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection

    from store.db.types import ContentKey


def put(connection: Connection, labels: Mapping[ContentKey, Mapping[str, str]]) -> None:
    """Record the labels of images and the annotations of manifests.

    The labels of a digest never change, so recorded labels are left as they are.

    Args:
        connection: An open write transaction.
        labels: Labels or annotations, by the row number of the config or manifest.
    """
    rows = (
        {"content_id": key, "key": name, "value": value}
        for key, mine in labels.items()
        for name, value in mine.items()
    )
    while some := list(islice(rows, BATCH)):
        connection.execute(_ADD, some)


_ADD: Final = insert(label).on_conflict_do_nothing()
