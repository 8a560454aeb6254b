"""Queries that return the catalogue's rows for fsck to check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from sqlalchemy import exists, literal, or_, select

from store.db.schema import (
    blob,
    content,
    document,
    encoding,
    image,
    layer,
    manifest,
    manifest_edge,
    reference,
    repository,
)
from store.db.types import ContentKey
from store.model.contents import ContentState, DiffState
from store.model.digests import ChainID, DiffID, Digest, ImageID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection


@final
@dataclass(frozen=True, slots=True)
class AuditedManifest:
    """A manifest or index with its links, as the catalogue records them.

    Attributes:
        key: Row number of the manifest or index.
        digest: Digest of the manifest or index.
        media_type: Media type of the manifest or index.
        edges: Each link as (role, position within the role, digest), by role and position.
        image: The image that the manifest describes; None for an index or artifact.
    """

    key: ContentKey
    digest: Digest
    media_type: str
    edges: tuple[tuple[str, int, Digest], ...]
    image: ImageID | None


def stored(connection: Connection) -> tuple[tuple[Digest, int, ContentState, bool], ...]:
    """Return every digest whose bytes are stored in a file or in the database.

    Returns:
        Tuples (digest, size in bytes, state, whether the bytes are in a file), by digest.
    """
    rows = connection.execute(
        select(
            content.c.digest, content.c.size_bytes, content.c.state, blob.c.content_id.label("file")
        )
        .outerjoin(blob, blob.c.content_id == content.c.id)
        .outerjoin(document, document.c.content_id == content.c.id)
        .where(or_(blob.c.content_id.is_not(None), document.c.content_id.is_not(None)))
        .order_by(content.c.digest)
    )
    return tuple(
        (row.digest, row.size_bytes or 0, ContentState(row.state), row.file is not None)
        for row in rows
    )


def encodings(connection: Connection) -> tuple[tuple[Digest, Digest], ...]:
    """Return every encoding as (digest of the decoded bytes, digest of the stored blob)."""
    source = content.alias("source")
    rows = connection.execute(
        select(content.c.digest, source.c.digest.label("stored"))
        .join(encoding, encoding.c.content_id == content.c.id)
        .join(source, source.c.id == encoding.c.stored_id)
        .order_by(content.c.digest, source.c.digest)
    )
    return tuple((row.digest, row.stored) for row in rows)


def unobtainable(connection: Connection) -> tuple[tuple[Digest, ContentState], ...]:
    """Return (digest, state) of each digest that is present but has no stored bytes or encoding."""
    rows = connection.execute(
        select(content.c.digest, content.c.state)
        .where(
            content.c.state == ContentState.PRESENT.value,
            ~exists(select(literal(1)).where(blob.c.content_id == content.c.id)),
            ~exists(select(literal(1)).where(document.c.content_id == content.c.id)),
            ~exists(select(literal(1)).where(encoding.c.content_id == content.c.id)),
        )
        .order_by(content.c.digest)
    )
    return tuple((row.digest, ContentState(row.state)) for row in rows)


def layers(connection: Connection) -> Iterator[tuple[ChainID, ChainID | None, DiffID, int]]:
    """Yield every layer, bases first.

    Yields:
        Tuples (chain ID, chain ID of the parent or None, diff ID, depth).
    """
    parent = layer.alias("parent")
    rows = connection.execute(
        select(layer.c.chain_id, parent.c.chain_id.label("parent"), content.c.digest, layer.c.depth)
        .join(content, content.c.id == layer.c.diff_id)
        .outerjoin(parent, parent.c.id == layer.c.parent_id)
        .order_by(layer.c.depth, layer.c.chain_id)
    )
    for row in rows:
        yield (
            ChainID(row.chain_id),
            None if row.parent is None else ChainID(row.parent),
            DiffID(row.digest),
            row.depth,
        )


def images(connection: Connection) -> tuple[tuple[ImageID, ChainID | None], ...]:
    """Return every image with its top layer's chain ID, or None for an image without layers."""
    rows = connection.execute(
        select(content.c.digest, layer.c.chain_id)
        .join(image, image.c.content_id == content.c.id)
        .outerjoin(layer, layer.c.id == image.c.top_layer_id)
        .order_by(content.c.digest)
    )
    return tuple(
        (ImageID(row.digest), None if row.chain_id is None else ChainID(row.chain_id))
        for row in rows
    )


def manifests(connection: Connection) -> tuple[AuditedManifest, ...]:
    """Return every manifest and index with its links, sorted by digest."""
    edges: dict[int, list[tuple[str, int, Digest]]] = {}
    for row in connection.execute(
        select(
            manifest_edge.c.manifest_id,
            manifest_edge.c.role,
            manifest_edge.c.position,
            content.c.digest,
        )
        .join(content, content.c.id == manifest_edge.c.content_id)
        .order_by(manifest_edge.c.manifest_id, manifest_edge.c.role, manifest_edge.c.position)
    ):
        edges.setdefault(row.manifest_id, []).append((row.role, row.position, row.digest))
    config = content.alias("config")
    rows = connection.execute(
        select(
            manifest.c.content_id,
            content.c.digest,
            manifest.c.media_type,
            config.c.digest.label("image"),
        )
        .join(content, content.c.id == manifest.c.content_id)
        .outerjoin(config, config.c.id == manifest.c.image_id)
        .order_by(content.c.digest)
    )
    return tuple(
        AuditedManifest(
            ContentKey(row.content_id),
            row.digest,
            row.media_type,
            tuple(edges.get(row.content_id, ())),
            None if row.image is None else ImageID(row.image),
        )
        for row in rows
    )


def unproven(connection: Connection) -> tuple[tuple[Digest, ImageID, tuple[str, ...]], ...]:
    """Return every manifest of an image whose layers are not known to be those of its config.

    Returns:
        Tuples (digest of the manifest, image, names of the manifest), by digest.
    """
    config = content.alias("config")
    names: dict[tuple[Digest, ImageID], list[str]] = {}
    for row in connection.execute(
        select(content.c.digest, config.c.digest.label("image"), repository.c.name, reference.c.tag)
        .join(manifest, manifest.c.content_id == content.c.id)
        .join(config, config.c.id == manifest.c.image_id)
        .outerjoin(reference, reference.c.manifest_id == manifest.c.content_id)
        .outerjoin(repository, repository.c.id == reference.c.repository_id)
        .where(manifest.c.diff_state != DiffState.VERIFIED.value)
        .order_by(content.c.digest, repository.c.name, reference.c.tag)
    ):
        known = names.setdefault((row.digest, ImageID(row.image)), [])
        if row.name is not None:
            known.append(f"{row.name}:{row.tag}")
    return tuple((digest, image_id, tuple(some)) for (digest, image_id), some in names.items())


def affected(connection: Connection, digest: Digest) -> tuple[str, ...]:
    """Return the images that use a digest as config, as layer, or as the stored form of a layer.

    Returns:
        ``repository:tag`` for each tag of such an image, the ID for an image without a tag; sorted.
    """
    diffs = (
        select(content.c.id)
        .where(content.c.digest == digest)
        .union(
            select(encoding.c.content_id)
            .join(content, content.c.id == encoding.c.stored_id)
            .where(content.c.digest == digest)
        )
        .subquery("diffs")
    )
    up = select(layer.c.id).where(layer.c.diff_id.in_(select(diffs.c.id))).cte("up", recursive=True)
    above = layer.alias("above")
    up = up.union(select(above.c.id).join(up, above.c.parent_id == up.c.id))
    needing = (
        select(image.c.content_id)
        .where(image.c.top_layer_id.in_(select(up.c.id)))
        .union(select(content.c.id).where(content.c.digest == digest))
        .subquery("needing")
    )
    rows = connection.execute(
        select(content.c.digest, repository.c.name, reference.c.tag)
        .join(image, image.c.content_id == content.c.id)
        .outerjoin(manifest, manifest.c.image_id == image.c.content_id)
        .outerjoin(reference, reference.c.manifest_id == manifest.c.content_id)
        .outerjoin(repository, repository.c.id == reference.c.repository_id)
        .where(image.c.content_id.in_(select(needing.c.content_id)))
        .order_by(content.c.digest)
    )
    return tuple(
        sorted(
            {f"{row.name}:{row.tag}" if row.name is not None else str(row.digest) for row in rows}
        )
    )
