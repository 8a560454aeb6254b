"""Numbers and total sizes of the images, layers and files of a store, for ``df``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from sqlalchemy import distinct, func, select

from store.catalog.batches import batches
from store.catalog.layers import undecoded_sizes, unverified
from store.db.schema import blob, content, image, layer, manifest, reference
from store.db.types import ContentKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import CTE, Connection, Select


@final
@dataclass(frozen=True, slots=True)
class Sum:
    """A number of images or files, and their total size in bytes."""

    count: int
    size_bytes: int


def images(connection: Connection) -> set[ContentKey]:
    """Return every image."""
    return {ContentKey(key) for key in connection.execute(select(image.c.content_id)).scalars()}


def named_images(connection: Connection) -> set[ContentKey]:
    """Return the images whose own manifest has a tag."""
    return {ContentKey(key) for key in connection.execute(_named()).scalars()}


def _named() -> Select[Any]:
    return (
        select(manifest.c.image_id)
        .join(reference, reference.c.manifest_id == manifest.c.content_id)
        .where(manifest.c.image_id.is_not(None))
        .distinct()
    )


def diffs_of_named(connection: Connection) -> set[ContentKey]:
    """Return every diff of the images whose own manifest has a tag.

    Each layer is visited once, however many images share it.
    """
    walk = (
        select(layer.c.id, layer.c.parent_id, layer.c.diff_id)
        .join(image, image.c.top_layer_id == layer.c.id)
        .where(image.c.content_id.in_(_named()))
        .cte("walk", recursive=True)
    )
    below = layer.alias("below")
    walk = walk.union(
        select(below.c.id, below.c.parent_id, below.c.diff_id).join(
            walk, walk.c.parent_id == below.c.id
        )
    )
    return {
        ContentKey(key) for key in connection.execute(select(walk.c.diff_id).distinct()).scalars()
    }


def diffs_of(
    connection: Connection, keys: Iterable[ContentKey]
) -> dict[ContentKey, set[ContentKey]]:
    """Return the diffs of each image."""
    found: dict[ContentKey, set[ContentKey]] = {}
    for some in batches(list(keys)):
        pairs = _diffs_by_image(some)
        for row in connection.execute(select(pairs.c.image_id, pairs.c.diff_id)):
            found.setdefault(ContentKey(row.image_id), set()).add(ContentKey(row.diff_id))
    return found


def _diffs_by_image(keys: Sequence[ContentKey] | None = None) -> CTE:
    """Return every (image, diff) pair once, for ``keys`` or for all images."""
    start = select(image.c.content_id.label("image_id"), layer.c.parent_id, layer.c.diff_id).join(
        layer, layer.c.id == image.c.top_layer_id
    )
    walk = (start if keys is None else start.where(image.c.content_id.in_(keys))).cte(
        "walk", recursive=True
    )
    below = layer.alias("below")
    return walk.union(
        select(walk.c.image_id, below.c.parent_id, below.c.diff_id).join(
            walk, walk.c.parent_id == below.c.id
        )
    )


def _totals() -> CTE:
    """Return every layer with the total size of itself and the layers below it, in one walk."""
    down = (
        select(layer.c.id, func.coalesce(content.c.size_bytes, 0).label("total"))
        .join(content, content.c.id == layer.c.diff_id)
        .where(layer.c.parent_id.is_(None))
        .cte("down", recursive=True)
    )
    above, diff = layer.alias("above"), content.alias("diff")
    return down.union_all(
        select(above.c.id, down.c.total + func.coalesce(diff.c.size_bytes, 0))
        .join(down, above.c.parent_id == down.c.id)
        .join(diff, diff.c.id == above.c.diff_id)
    )


def size_of_images(connection: Connection) -> int:
    """Return the sum of the sizes of all images in bytes; a shared layer counts for each image."""
    totals = _totals()
    decoded = connection.execute(
        select(func.sum(totals.c.total))
        .select_from(image)
        .join(totals, totals.c.id == image.c.top_layer_id)
    ).scalar()
    return (decoded or 0) + sum(undecoded_sizes(connection, unverified(connection)).values())


def sizes(connection: Connection) -> dict[ContentKey, int]:
    """Return the total size of each image's uncompressed layers in bytes.

    A layer that was not decoded yet counts with the size of its blob.
    """
    totals = _totals()
    rows = connection.execute(
        select(image.c.content_id, totals.c.total).join(totals, totals.c.id == image.c.top_layer_id)
    )
    found = {ContentKey(row.content_id): row.total for row in rows}
    for key, size in undecoded_sizes(connection, unverified(connection)).items():
        found[key] += size
    return found


def shared_bytes(connection: Connection) -> dict[ContentKey, int]:
    """Return the size of the uncompressed layers that each image shares with others, in bytes."""
    pairs = _diffs_by_image()
    many = (
        select(pairs.c.diff_id)
        .group_by(pairs.c.diff_id)
        .having(func.count(distinct(pairs.c.image_id)) > 1)
        .subquery("many")
    )
    unique = select(pairs.c.image_id, pairs.c.diff_id).distinct().subquery("pairs")
    rows = connection.execute(
        select(unique.c.image_id, func.sum(content.c.size_bytes).label("total"))
        .join(content, content.c.id == unique.c.diff_id)
        .where(unique.c.diff_id.in_(select(many.c.diff_id)))
        .group_by(unique.c.image_id)
    )
    return {ContentKey(row.image_id): row.total or 0 for row in rows}


def layer_sizes(connection: Connection) -> dict[ContentKey, int]:
    """Return the uncompressed size of each diff that is a layer, in bytes."""
    rows = connection.execute(
        select(content.c.id, content.c.size_bytes).where(content.c.id.in_(select(layer.c.diff_id)))
    )
    return {ContentKey(row.id): row.size_bytes or 0 for row in rows}


def files(connection: Connection) -> Sum:
    """Return the number of blob files and their total size."""
    row = connection.execute(
        select(func.count(), func.sum(content.c.size_bytes))
        .select_from(blob)
        .join(content, content.c.id == blob.c.content_id)
    ).one()
    return Sum(row[0], row[1] or 0)
