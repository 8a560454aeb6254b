"""Layers: one row for each chain ID, with a link to the row of the layer below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

from sqlalchemy import bindparam, select

from store.catalog.batches import batches, insert_rows
from store.db.schema import content, image, layer
from store.db.types import ContentKey, LayerKey
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
