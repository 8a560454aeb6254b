"""Layers: one row for each chain ID, with a link to the row of the layer below."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final, final

from sqlalchemy import and_, bindparam, select

from store.catalog.batches import batches, insert_rows
from store.db.schema import content, image, layer, manifest, manifest_edge
from store.db.types import ContentKey, LayerKey
from store.model.contents import ContentState, DiffState
from store.model.digests import ChainID, DiffID

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import Connection, Select

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


def ensure_layers(
    connection: Connection, chains: Sequence[Sequence[tuple[DiffID, ContentKey]]]
) -> list[LayerKey | None]:
    """Return the top layer of each chain; insert missing layers.

    Args:
        connection: An open write transaction.
        chains: The layers of each image, base first, as (diff ID, its row number).

    Returns:
        The row number of each chain's top layer; None for an empty chain.
    """
    wanted: list[dict[Digest, _LayerRow]] = []
    tops: list[Digest | None] = []
    for diffs in chains:
        above: Digest | None = None
        for depth, (chain_id, (_, key)) in enumerate(
            zip(ChainID.each([diff for diff, _ in diffs]) if diffs else (), diffs, strict=True)
        ):
            if depth == len(wanted):
                wanted.append({})
            wanted[depth][chain_id.digest] = _LayerRow(key, above)
            above = chain_id.digest
        tops.append(above)
    known = _layer_keys(connection, [digest for level in wanted for digest in level])
    for depth, level in enumerate(wanted, start=1):
        rows = [
            {
                "chain_id": digest,
                "parent_id": None if row.below is None else known[row.below],
                "diff_id": row.diff,
                "depth": depth,
            }
            for digest, row in level.items()
            if digest not in known
        ]
        if rows:
            insert_rows(connection, layer, rows)
            known |= _layer_keys(connection, [digest for digest in level if digest not in known])
    return [None if top is None else known[top] for top in tops]


@final
@dataclass(frozen=True, slots=True)
class _LayerRow:
    diff: ContentKey
    below: Digest | None


def _layer_keys(connection: Connection, chain_ids: Sequence[Digest]) -> dict[Digest, LayerKey]:
    known: dict[Digest, LayerKey] = {}
    for some in batches(chain_ids):
        known.update(
            (row.chain_id, LayerKey(row.id))
            for row in connection.execute(
                select(layer.c.id, layer.c.chain_id).where(layer.c.chain_id.in_(some))
            )
        )
    return known


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
