"""Garbage: rows that nothing refers to. Each deletion checks again that a row is unreferenced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, literal, select

from store.catalog.batches import batches
from store.catalog.collection.condemned import condemn
from store.db.schema import (
    blob,
    content,
    document,
    encoding,
    image,
    kept,
    layer,
    lease,
    manifest,
    manifest_edge,
    reference,
    repository_content,
)
from store.db.types import ContentKey, LayerKey
from store.model.digests import ImageID

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Select

    from store.catalog.collection.grace import Grace
    from store.model.digests import Digest


def dead_images(connection: Connection) -> list[ContentKey]:
    """Return the images that are neither described by a manifest nor leased by an operation."""
    return [
        ContentKey(key)
        for key in connection.execute(select(image.c.content_id).where(*_image_is_free())).scalars()
    ]


def dead_layers(connection: Connection) -> list[LayerKey]:
    """Return the layers that belong to no image, the deepest first."""
    live = (
        select(image.c.top_layer_id.label("id"))
        .where(image.c.top_layer_id.is_not(None))
        .cte("live_layers", recursive=True)
    )
    live = live.union(
        select(layer.c.parent_id)
        .join(live, live.c.id == layer.c.id)
        .where(layer.c.parent_id.is_not(None))
    )
    query = (
        select(layer.c.id)
        .where(layer.c.id.not_in(select(live.c.id)))
        .order_by(layer.c.depth.desc())
    )
    return [LayerKey(key) for key in connection.execute(query).scalars()]


def layers_of(connection: Connection, diffs: Iterable[ContentKey]) -> set[LayerKey]:
    """Return the layers whose diffs are among these."""
    found: set[LayerKey] = set()
    for some in batches(sorted(set(diffs))):
        query = select(layer.c.id).where(layer.c.diff_id.in_(some))
        found.update(map(LayerKey, connection.execute(query).scalars()))
    return found


def dead_contents(connection: Connection, grace: Grace) -> list[ContentKey]:
    """Return the content rows that nothing refers to.

    Args:
        connection: An open transaction.
        grace: The rule for blobs that clients may be about to list in a manifest.
    """
    return [
        ContentKey(key)
        for key in connection.execute(
            select(content.c.id).where(*_content_is_free(grace))
        ).scalars()
    ]


def _manifest_is_free() -> tuple[ColumnElement[bool], ...]:
    referrer = manifest.alias("referrer")
    return (
        ~exists(select(literal(1)).where(reference.c.manifest_id == manifest.c.content_id)),
        ~exists(select(literal(1)).where(kept.c.manifest_id == manifest.c.content_id)),
        ~exists(select(literal(1)).where(lease.c.content_id == manifest.c.content_id)),
        ~exists(select(literal(1)).where(repository_content.c.content_id == manifest.c.content_id)),
        ~exists(select(literal(1)).where(manifest_edge.c.content_id == manifest.c.content_id)),
        ~exists(select(literal(1)).where(referrer.c.subject_id == manifest.c.content_id)),
    )


def _image_is_free() -> tuple[ColumnElement[bool], ...]:
    return (
        ~exists(select(literal(1)).where(manifest.c.image_id == image.c.content_id)),
        ~exists(select(literal(1)).where(lease.c.content_id == image.c.content_id)),
    )


def _layer_is_free() -> tuple[ColumnElement[bool], ...]:
    above = layer.alias("above")
    return (
        ~exists(select(literal(1)).where(image.c.top_layer_id == layer.c.id)),
        ~exists(select(literal(1)).where(above.c.parent_id == layer.c.id)),
        ~exists(select(literal(1)).where(lease.c.content_id == layer.c.diff_id)),
    )


def _content_is_free(grace: Grace) -> tuple[ColumnElement[bool], ...]:
    return (
        ~exists(select(literal(1)).where(manifest.c.content_id == content.c.id)),
        ~exists(select(literal(1)).where(manifest.c.subject_id == content.c.id)),
        ~exists(select(literal(1)).where(manifest_edge.c.content_id == content.c.id)),
        ~exists(select(literal(1)).where(image.c.content_id == content.c.id)),
        ~exists(select(literal(1)).where(layer.c.diff_id == content.c.id)),
        ~exists(select(literal(1)).where(encoding.c.stored_id == content.c.id)),
        ~exists(select(literal(1)).where(lease.c.content_id == content.c.id)),
        ~grace.protects(content.c.id),
    )


def delete_manifests(connection: Connection, keys: Sequence[ContentKey]) -> int:
    """Delete the manifests among ``keys`` that are still unreferenced; return how many."""
    return sum(
        connection.execute(
            delete(manifest).where(manifest.c.content_id.in_(some), *_manifest_is_free())
        ).rowcount
        for some in batches(keys)
    )


def delete_images(connection: Connection, keys: Sequence[ContentKey]) -> tuple[ImageID, ...]:
    """Delete the images among ``keys`` that are still unreferenced; return their IDs.

    Images that were built on a deleted image lose their parent link, as in Docker.
    """
    gone: list[ImageID] = []
    for some in batches(keys):
        free: Select[tuple[object, ...]] = (
            select(content.c.id, content.c.digest)
            .join(image, image.c.content_id == content.c.id)
            .where(content.c.id.in_(some), *_image_is_free())
        )
        rows = connection.execute(free).all()
        connection.execute(delete(image).where(image.c.content_id.in_([row.id for row in rows])))
        gone.extend(ImageID(row.digest) for row in rows)
    return tuple(gone)


def delete_layers(connection: Connection, keys: Sequence[LayerKey]) -> int:
    """Delete the layers among ``keys`` that are still unreferenced; return how many."""
    return sum(
        connection.execute(delete(layer).where(layer.c.id.in_(some), *_layer_is_free())).rowcount
        for some in batches(keys)
    )


def delete_contents(
    connection: Connection, keys: Sequence[ContentKey], grace: Grace, *, now: datetime
) -> tuple[int, tuple[tuple[Digest, int], ...]]:
    """Delete the content rows among ``keys`` that are still unreferenced; condemn their files.

    Args:
        connection: An open write transaction.
        keys: Row numbers of content rows.
        grace: The rule for blobs that clients may be about to list in a manifest.
        now: The current time.

    Returns:
        The number of deleted rows, and (digest, size in bytes) of each condemned file.
    """
    count = 0
    files: list[tuple[Digest, int]] = []
    for some in batches(keys):
        free = list(
            connection.execute(
                select(content.c.id).where(content.c.id.in_(some), *_content_is_free(grace))
            ).scalars()
        )
        rows = connection.execute(
            select(content.c.digest, content.c.size_bytes)
            .join(blob, blob.c.content_id == content.c.id)
            .where(content.c.id.in_(free))
        ).all()
        files.extend((row.digest, row.size_bytes or 0) for row in rows)
        condemn(connection, [row.digest for row in rows], now)
        connection.execute(
            delete(repository_content).where(repository_content.c.content_id.in_(free))
        )
        for table in (encoding, blob, document):
            connection.execute(delete(table).where(table.c.content_id.in_(free)))
        count += connection.execute(delete(content).where(content.c.id.in_(free))).rowcount
    return count, tuple(files)
