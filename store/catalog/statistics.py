"""Sums over the whole store, for ``df``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from sqlalchemy import distinct, func, select

from store.db.schema import blob, content, encoding, image, layer
from store.db.types import ContentKey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import CTE, Connection


@final
@dataclass(frozen=True, slots=True)
class Sum:
    """How many, and how many bytes together."""

    count: int
    size_bytes: int


def _diffs_by_image() -> CTE:
    """Every (image, diff) pair, each once."""
    walk = (
        select(image.c.content_id.label("image_id"), layer.c.parent_id, layer.c.diff_id)
        .join(layer, layer.c.id == image.c.top_layer_id)
        .cte("walk", recursive=True)
    )
    below = layer.alias("below")
    return walk.union(select(walk.c.image_id, below.c.parent_id, below.c.diff_id).join(walk, walk.c.parent_id == below.c.id))


def shared_bytes(connection: Connection) -> dict[ContentKey, int]:
    """The uncompressed bytes of each image's layers that another image has too."""
    pairs = _diffs_by_image()
    many = select(pairs.c.diff_id).group_by(pairs.c.diff_id).having(func.count(distinct(pairs.c.image_id)) > 1).subquery("many")
    unique = select(pairs.c.image_id, pairs.c.diff_id).distinct().subquery("pairs")
    rows = connection.execute(
        select(unique.c.image_id, func.sum(content.c.size_bytes).label("total"))
        .join(content, content.c.id == unique.c.diff_id)
        .where(unique.c.diff_id.in_(select(many.c.diff_id)))
        .group_by(unique.c.image_id)
    )
    return {ContentKey(row.image_id): row.total or 0 for row in rows}


def diffs_of(connection: Connection, images: Iterable[ContentKey]) -> set[ContentKey]:
    """Every diff that these images have."""
    pairs = _diffs_by_image()
    wanted = set(images)
    return {ContentKey(row.diff_id) for row in connection.execute(select(pairs.c.image_id, pairs.c.diff_id)) if row.image_id in wanted}


def layers(connection: Connection, among: set[ContentKey] | None = None) -> Sum:
    """Diffs that are layers, each once, and their uncompressed bytes."""
    rows = connection.execute(select(content.c.id, content.c.size_bytes).where(content.c.id.in_(select(layer.c.diff_id))))
    sizes = [row.size_bytes or 0 for row in rows if among is None or row.id in among]
    return Sum(len(sizes), sum(sizes))


def files(connection: Connection) -> Sum:
    """Blob files and their bytes."""
    row = connection.execute(select(func.count(), func.sum(content.c.size_bytes)).select_from(blob).join(content, content.c.id == blob.c.content_id)).one()
    return Sum(row[0], row[1] or 0)


def stored_bytes(connection: Connection, among: set[ContentKey] | None = None) -> int:
    """The bytes of the files in which layers lie, as they are or encoded."""
    stored = content.alias("stored")
    encoded = connection.execute(
        select(encoding.c.content_id, stored.c.size_bytes)
        .join(stored, stored.c.id == encoding.c.stored_id)
        .where(encoding.c.content_id.in_(select(layer.c.diff_id)))
    )
    plain = connection.execute(
        select(blob.c.content_id, content.c.size_bytes).join(content, content.c.id == blob.c.content_id).where(blob.c.content_id.in_(select(layer.c.diff_id)))
    )
    return sum(row.size_bytes or 0 for rows in (encoded, plain) for row in rows if among is None or row.content_id in among)
