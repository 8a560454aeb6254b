"""Layers: one row for each chain ID, with a link to the row of the layer below."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, final

from sqlalchemy import and_, bindparam, select
from sqlalchemy.dialects.sqlite import insert

from store.catalog.batches import batches
from store.db.schema import content, image, layer, manifest, manifest_edge
from store.db.types import ContentKey
from store.model.contents import ContentState, DiffState
from store.model.digests import ChainID, DiffID

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, ScalarSelect, Select

    from store.model.digests import Digest


@final
@dataclass(frozen=True, slots=True)
class ChainedLayer:
    """One layer of an image.

    Attributes:
        diff_id: The digest of the layer's plain bytes.
        chain_id: The chain ID of this layer and all layers below it.
        size_bytes: The size of the plain bytes; 0 if it is not known.
    """

    diff_id: DiffID
    chain_id: ChainID
    size_bytes: int


@final
@dataclass(frozen=True, slots=True)
class UndecodedLayer:
    """The blob that a manifest lists as a layer of an image.

    Attributes:
        blob: The digest of the blob.
        size_bytes: Its size.
    """

    blob: Digest
    size_bytes: int


def add_chains(
    connection: Connection, chains: Iterable[Sequence[tuple[DiffID, ContentKey]]]
) -> list[ChainID | None]:
    """Insert the missing layers of some images.

    Args:
        connection: An open write transaction.
        chains: The layers of each image, base first, as (diff ID, its row number).

    Returns:
        The chain ID of each image's top layer; None for an image without layers.
    """
    rows: dict[ChainID, dict[str, object]] = {}
    tops: list[ChainID | None] = []
    for diffs in chains:
        top: ChainID | None = None
        names = ChainID.each([diff for diff, _ in diffs]) if diffs else ()
        for depth, (name, (_, key)) in enumerate(zip(names, diffs, strict=True), start=1):
            below = None if top is None else top.digest
            rows.setdefault(
                name, {"name": name.digest, "below": below, "diff": key, "height": depth}
            )
            top = name
        tops.append(top)
    if rows:
        connection.execute(_ADD, list(rows.values()))
    return tops


_BELOW: Final = layer.alias("below")
_ADD: Final = (
    # A parent is an earlier row of the same call, or was there before.
    insert(layer)
    .values(
        chain_id=bindparam("name"),
        parent_id=select(_BELOW.c.id)
        .where(_BELOW.c.chain_id == bindparam("below"))
        .scalar_subquery(),
        diff_id=bindparam("diff"),
        depth=bindparam("height"),
    )
    .on_conflict_do_nothing(index_elements=[layer.c.chain_id])
)


def key_of(chain_id: ChainID | None) -> ScalarSelect[Any] | None:
    """Return an expression for the row number of a layer, for a column of another row.

    Args:
        chain_id: The chain ID of the layer; None for no layer.
    """
    if chain_id is None:
        return None
    return select(layer.c.id).where(layer.c.chain_id == chain_id.digest).scalar_subquery()


def chains(
    connection: Connection, images: Iterable[ContentKey]
) -> dict[ContentKey, tuple[ChainedLayer, ...]]:
    """Return the layers of each image, base first. Images without layers are left out.

    Args:
        connection: An open transaction.
        images: Row numbers of images.
    """
    found: dict[ContentKey, list[ChainedLayer]] = {}
    for some in batches(list(images), _IMAGES):
        for row in connection.execute(_CHAINS, {"images": some}):
            found.setdefault(ContentKey(row.image_id), []).append(
                ChainedLayer(DiffID(row.digest), ChainID(row.chain_id), row.size_bytes or 0)
            )
    return {key: tuple(layers) for key, layers in found.items()}


def chain(connection: Connection, image_key: ContentKey) -> tuple[ChainedLayer, ...]:
    """Return the layers of an image, base first, by one recursive query."""
    return chains(connection, (image_key,)).get(image_key, ())


def undecoded_layers(
    connection: Connection, images: Iterable[ContentKey]
) -> dict[ContentKey, dict[int, UndecodedLayer]]:
    """Return the layers of images of which the store has a blob, and knows no decoded size.

    Args:
        connection: An open transaction.
        images: Row numbers of images.

    Returns:
        For each image that has such layers, the blob of each, by its position: 0 is the base. If
        manifests list different blobs, the blob of the manifest that was stored first.
    """
    found: dict[ContentKey, dict[int, UndecodedLayer]] = {}
    for some in batches(list(images), _IMAGES):
        for row in connection.execute(_undecoded(), {"images": some}):
            found.setdefault(ContentKey(row.image_id), {}).setdefault(
                row.position, UndecodedLayer(row.digest, row.size_bytes)
            )
    return found


def undecoded_sizes(connection: Connection, images: Iterable[ContentKey]) -> dict[ContentKey, int]:
    """Return the total size of the blobs of `undecoded_layers`, for images that have any.

    Args:
        connection: An open transaction.
        images: Row numbers of images.
    """
    return {
        key: sum(one.size_bytes for one in layers.values())
        for key, layers in undecoded_layers(connection, images).items()
    }


def unverified(connection: Connection) -> list[ContentKey]:
    """Return all images whose layers are not known to be those of their configs."""
    rows = connection.execute(
        select(image.c.content_id).where(image.c.diff_state != DiffState.VERIFIED.value)
    )
    return [ContentKey(key) for key in rows.scalars()]


_IMAGES: Final = 100
"""Images in one statement. SQLite sorts the layers of all of them in memory."""


def _chains() -> Select[Any]:
    up = (
        select(
            image.c.content_id.label("image_id"),
            layer.c.parent_id,
            layer.c.diff_id,
            layer.c.chain_id,
            layer.c.depth,
        )
        .join(image, image.c.top_layer_id == layer.c.id)
        .where(image.c.content_id.in_(bindparam("images", expanding=True)))
        .cte("up", recursive=True)
    )
    below = layer.alias("below")
    up = up.union_all(
        select(
            up.c.image_id, below.c.parent_id, below.c.diff_id, below.c.chain_id, below.c.depth
        ).join(up, up.c.parent_id == below.c.id)
    )
    return (
        select(up.c.image_id, content.c.digest, content.c.size_bytes, up.c.chain_id)
        .join(up, up.c.diff_id == content.c.id)
        .order_by(up.c.image_id, up.c.depth)
    )


_CHAINS: Final = _chains()


@cache
def _undecoded() -> Select[Any]:
    up = (
        select(
            image.c.content_id.label("image_id"),
            layer.c.parent_id,
            layer.c.diff_id,
            layer.c.depth,
        )
        .join(image, image.c.top_layer_id == layer.c.id)
        .where(
            image.c.content_id.in_(bindparam("images", expanding=True)),
            image.c.diff_state != DiffState.VERIFIED.value,
        )
        .cte("up", recursive=True)
    )
    below = layer.alias("below")
    up = up.union_all(
        select(up.c.image_id, below.c.parent_id, below.c.diff_id, below.c.depth).join(
            up, up.c.parent_id == below.c.id
        )
    )
    diff, stored = content.alias("diff"), content.alias("stored")
    return (
        select(up.c.image_id, manifest_edge.c.position, stored.c.digest, stored.c.size_bytes)
        .join_from(up, diff, diff.c.id == up.c.diff_id)
        .join(manifest, manifest.c.image_id == up.c.image_id)
        .join(
            manifest_edge,
            and_(
                manifest_edge.c.manifest_id == manifest.c.content_id,
                manifest_edge.c.role == "layer",
                manifest_edge.c.position == up.c.depth - 1,
            ),
        )
        .join(stored, stored.c.id == manifest_edge.c.content_id)
        .where(diff.c.size_bytes.is_(None), stored.c.state == ContentState.PRESENT.value)
        .order_by(up.c.image_id, manifest.c.content_id)
    )
