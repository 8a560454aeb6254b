"""The list of images: its order, its pages and its columns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, Final, final

from sqlalchemy import bindparam, exists, func, literal, select, tuple_

from store.catalog.batches import batches
from store.catalog.layers import undecoded_sizes, unverified
from store.db.schema import content, image, label, layer, manifest
from store.db.types import ContentKey
from store.model.digests import ImageID
from store.model.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Select

    from store.model.digests import Digest


@final
@dataclass(frozen=True, slots=True)
class ImageSummary:
    """The columns of one image in the list of images.

    Attributes:
        key: Row number of the image.
        image_id: ID of the image.
        created_s: Creation time as Unix time in seconds; None if it is not known.
        parent: The image that this image was built on; None if it is not recorded.
        has_children: Whether another image was built on it.
        platform: The platform in the config.
    """

    key: ContentKey
    image_id: ImageID
    created_s: int | None
    parent: ImageID | None
    has_children: bool
    platform: Platform


_ROWS: Final = 10_000
"""How many rows of a long result are in memory at a time."""


@cache
def _summaries() -> Select[Any]:
    """Return the statement of `summaries`. Building it takes as long as running it."""
    parent = content.alias("parent")
    child = image.alias("child")
    return (
        select(
            image.c.content_id,
            content.c.digest,
            image.c.created_s,
            parent.c.digest.label("parent"),
            exists(select(literal(1)).where(child.c.parent_id == image.c.content_id)),
            image.c.os,
            image.c.architecture,
            image.c.variant,
        )
        .join(content, content.c.id == image.c.content_id)
        .outerjoin(parent, parent.c.id == image.c.parent_id)
        .where(image.c.content_id.in_(bindparam("keys", expanding=True)))
    )


@cache
def _manifests() -> Select[Any]:
    """Return the statement of `manifest_digests`."""
    return (
        select(manifest.c.image_id, content.c.digest)
        .join(content, content.c.id == manifest.c.content_id)
        .where(manifest.c.image_id.in_(bindparam("keys", expanding=True)))
        .order_by(content.c.digest)
    )


def total_sizes(connection: Connection, keys: Sequence[ContentKey]) -> dict[ContentKey, int]:
    """Return the total size of each image's uncompressed layers in bytes.

    A layer that was not decoded yet counts with the size of its blob.

    Args:
        connection: An open transaction.
        keys: Row numbers of at most `BATCH` images. Images without layers are left out.
    """
    walk = (
        select(image.c.content_id.label("image_id"), image.c.top_layer_id.label("layer_id"))
        .where(image.c.top_layer_id.is_not(None), image.c.content_id.in_(keys))
        .cte("walk", recursive=True)
    )
    below = layer.alias("below")
    walk = walk.union_all(
        select(walk.c.image_id, below.c.parent_id)
        .join(below, below.c.id == walk.c.layer_id)
        .where(below.c.parent_id.is_not(None))
    )
    here = layer.alias("here")
    rows = connection.execute(
        select(walk.c.image_id, func.sum(content.c.size_bytes).label("total"))
        .join(here, here.c.id == walk.c.layer_id)
        .join(content, content.c.id == here.c.diff_id)
        .group_by(walk.c.image_id)
    ).all()
    totals = {ContentKey(row.image_id): row.total or 0 for row in rows}
    for key, size in undecoded_sizes(connection, keys).items():
        totals[key] += size
    return totals


def every_total_size(connection: Connection) -> dict[ContentKey, int]:
    """Return what `total_sizes` returns, for all images of the store.

    Images share their lower layers. Here the size of each layer is added once.

    Args:
        connection: An open transaction.
    """
    layers = (
        select(layer.c.id, layer.c.parent_id, content.c.size_bytes)
        .join(content, content.c.id == layer.c.diff_id)
        .order_by(layer.c.depth)
    )
    tops = select(image.c.content_id, image.c.top_layer_id).where(image.c.top_layer_id.is_not(None))
    totals: dict[int | None, int] = {None: 0}
    for some in connection.execute(layers).partitions(_ROWS):
        for key, parent, size in some:
            # The order is by depth, so the layer below is known.
            totals[key] = totals[parent] + (size or 0)
    found = {
        ContentKey(key): totals[top]
        for some in connection.execute(tops).partitions(_ROWS)
        for key, top in some
    }
    for key, size in undecoded_sizes(connection, unverified(connection)).items():
        found[key] += size
    return found


@final
@dataclass(frozen=True, slots=True)
class ListPosition:
    """The position of an image in the list of images.

    Newer images come first. If several images were created in the same second, the image that was
    stored last comes first. Images without a creation time are at the end.

    Attributes:
        created_s: Creation time as Unix time in seconds; None if it is not known.
        key: Row number of the image.
    """

    created_s: int | None
    key: ContentKey

    @property
    def order(self) -> tuple[bool, int, int]:
        """The sort key that puts positions in the order of the list."""
        return self.created_s is None, -(self.created_s or 0), -self.key


def position_of(connection: Connection, key: ContentKey) -> ListPosition:
    """Return the position of an image that is in the store."""
    return ListPosition(
        connection.execute(select(image.c.created_s).where(image.c.content_id == key)).scalar_one(),
        key,
    )


def positions(
    connection: Connection, *, after: ListPosition | None, limit: int
) -> list[ListPosition]:
    """Return a page of the list. The query follows an index and does not sort.

    Args:
        connection: An open transaction.
        after: The last position of the previous page; None for the first page.
        limit: The most positions to return.
    """
    found: list[ListPosition] = []
    query = select(image.c.created_s, image.c.content_id).limit(limit)
    if after is None or after.created_s is not None:
        dated = query.where(image.c.created_s.is_not(None)).order_by(
            image.c.created_s.desc(), image.c.content_id.desc()
        )
        if after is not None:
            dated = dated.where(
                tuple_(image.c.created_s, image.c.content_id) < (after.created_s, after.key)
            )
        found += [
            ListPosition(row.created_s, ContentKey(row.content_id))
            for row in connection.execute(dated).all()
        ]
    if len(found) < limit:
        undated = query.where(image.c.created_s.is_(None)).order_by(image.c.content_id.desc())
        if after is not None and after.created_s is None:
            undated = undated.where(image.c.content_id < after.key)
        found += [
            ListPosition(None, ContentKey(row.content_id)) for row in connection.execute(undated)
        ]
    return found[:limit]


def positions_of(connection: Connection, keys: Iterable[ContentKey]) -> list[ListPosition]:
    """Return the positions of these images, in the order of the list."""
    found: list[ListPosition] = []
    for some in batches(list(keys)):
        rows = connection.execute(
            select(image.c.created_s, image.c.content_id).where(image.c.content_id.in_(some))
        )
        found += [ListPosition(row.created_s, ContentKey(row.content_id)) for row in rows]
    return sorted(found, key=lambda position: position.order)


def summaries(connection: Connection, keys: Sequence[ContentKey]) -> dict[ContentKey, ImageSummary]:
    """Return the columns of the list for each image.

    Args:
        connection: An open transaction.
        keys: Row numbers of at most `BATCH` images.
    """
    return {
        key: ImageSummary(
            ContentKey(key),
            ImageID(digest),
            created_s,
            None if parent is None else ImageID(parent),
            bool(has_children),
            _platform(system or "linux", architecture, variant),
        )
        for (
            key,
            digest,
            created_s,
            parent,
            has_children,
            system,
            architecture,
            variant,
        ) in connection.execute(_summaries(), {"keys": keys})
    }


_platform: Final = lru_cache(maxsize=256)(Platform.of)
"""Most images have one of a few platforms."""


def manifest_digests(
    connection: Connection, keys: Sequence[ContentKey]
) -> dict[ContentKey, list[Digest]]:
    """Return the digests of the manifests of each image, sorted.

    Args:
        connection: An open transaction.
        keys: Row numbers of at most `BATCH` images.
    """
    found: dict[ContentKey, list[Digest]] = {}
    for key, digest in connection.execute(_manifests(), {"keys": keys}):
        found.setdefault(ContentKey(key), []).append(digest)
    return found


def index_keys(connection: Connection, digests: Iterable[Digest]) -> dict[Digest, ContentKey]:
    """Return the row number of each digest that is the digest of an index."""
    found: dict[Digest, ContentKey] = {}
    for some in batches(list(digests)):
        rows = connection.execute(
            select(content.c.digest, manifest.c.content_id)
            .join(manifest, manifest.c.content_id == content.c.id)
            .where(content.c.digest.in_(some), manifest.c.kind == "index")
        )
        found |= {row.digest: ContentKey(row.content_id) for row in rows.all()}
    return found


def with_labels(connection: Connection, wanted: Sequence[str]) -> set[ContentKey]:
    """Return the images that have every label.

    Args:
        connection: An open transaction.
        wanted: Labels as ``key`` (with any value) or ``key=value``.
    """
    remaining: set[ContentKey] | None = None
    for text in wanted:
        key, equals, value = text.partition("=")
        query = (
            select(label.c.content_id)
            .join(image, image.c.content_id == label.c.content_id)
            .where(label.c.key == key)
        )
        if equals:
            query = query.where(label.c.value == value)
        having = {ContentKey(found) for found in connection.execute(query).scalars()}
        remaining = having if remaining is None else remaining & having
    return remaining or set()
