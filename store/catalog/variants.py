"""Which images are stored in an encoding that their manifests do not name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, exists, func, literal, not_, or_, select

from store.catalog.batches import batches
from store.db.schema import content, encoding, image, layer, manifest, manifest_edge, reference, repository, repository_content
from store.model import ContentState, DiffState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from store.references import Repository


def encoded_tags(connection: Connection, name: Repository, tags: Iterable[str], codec: str) -> set[str]:
    """Those of ``tags`` that name an image, or an index of images, whose layers are all stored in ``codec``: each diff of every image that it holds."""
    found: set[str] = set()
    for some in batches(list(dict.fromkeys(tags))):
        reached = (
            select(reference.c.tag, reference.c.manifest_id, reference.c.repository_id)
            .join(repository, repository.c.id == reference.c.repository_id)
            .where(repository.c.name == str(name), reference.c.tag.in_(some))
            .cte("reached", recursive=True)
        )
        reached = reached.union(
            select(reached.c.tag, manifest_edge.c.content_id, reached.c.repository_id)
            .join(manifest_edge, and_(manifest_edge.c.manifest_id == reached.c.manifest_id, manifest_edge.c.role == "child"))
            .join(
                repository_content,
                and_(repository_content.c.repository_id == reached.c.repository_id, repository_content.c.content_id == manifest_edge.c.content_id),
            )
        )
        chains = (
            select(reached.c.tag, image.c.top_layer_id.label("layer_id"), image.c.diff_state)
            .join(manifest, manifest.c.content_id == reached.c.manifest_id)
            .join(image, image.c.content_id == manifest.c.image_id)
            .where(image.c.top_layer_id.is_not(None))
            .cte("chains", recursive=True)
        )
        chains = chains.union(
            select(chains.c.tag, layer.c.parent_id, chains.c.diff_state).join(layer, layer.c.id == chains.c.layer_id).where(layer.c.parent_id.is_not(None))
        )
        stored = content.alias("stored")
        encoded = exists(
            select(literal(1))
            .select_from(encoding)
            .join(stored, stored.c.id == encoding.c.stored_id)
            .where(encoding.c.content_id == layer.c.diff_id, encoding.c.codec == codec, stored.c.state == ContentState.PRESENT.value)
        )
        missing = or_(not_(encoded), chains.c.diff_state == DiffState.MISMATCH.value)
        query = select(chains.c.tag).join(layer, layer.c.id == chains.c.layer_id).group_by(chains.c.tag)
        found.update(connection.execute(query.having(func.count().filter(missing) == 0)).scalars())
    return found
