"""Variants: tags such as ``TAG-zstd``, for an image with its layers in a different codec."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, exists, func, literal, not_, or_, select

from store.catalog import references
from store.catalog.batches import batches
from store.db.schema import (
    content,
    encoding,
    image,
    layer,
    manifest,
    manifest_edge,
    reference,
    reference_log,
    repository,
    repository_content,
)
from store.model.contents import ContentState, DiffState
from store.model.references import Reference, is_tag

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from store.catalog.references import TagTarget
    from store.model.references import Repository

CODECS: Final = ("gzip", "zstd")
"""The suffixes of the tags that name variants: ``TAG-gzip`` and ``TAG-zstd``."""

OFFER: Final = "offer"
"""The operation that the log of references records when a registry sets the tag of a variant.

If the last log entry of a tag records this operation, no other operation has set the tag since.
"""


def is_offered(connection: Connection, name: Reference) -> bool:
    """Return whether a tag was last set by a registry, for a variant that the registry made."""
    query = select(reference_log.c.operation).where(
        reference_log.c.repository == str(name.repository), reference_log.c.tag == name.tag
    )
    return connection.execute(query.order_by(reference_log.c.id.desc()).limit(1)).scalar() == OFFER


def offered(connection: Connection, original: Reference) -> tuple[TagTarget, ...]:
    """Return the tags of the variants that a registry made of an image, in byte order.

    Args:
        connection: An open transaction.
        original: The tag of the image.
    """
    names = [
        Reference(original.repository, tag)
        for codec in CODECS
        if is_tag(tag := f"{original.tag}-{codec}")
    ]
    there = references.get_all(connection, names)
    return tuple(there[name] for name in names if name in there and is_offered(connection, name))


def encoded_tags(
    connection: Connection, name: Repository, tags: Iterable[str], codec: str
) -> set[str]:
    """Return the tags of images whose layers are all stored in one codec.

    A tag of an index is returned if this is true of every image in the index that the repository
    holds.

    Args:
        connection: An open transaction.
        name: The repository that holds the tags.
        tags: The tags to check.
        codec: The name of the codec.
    """
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
            .join(
                manifest_edge,
                and_(
                    manifest_edge.c.manifest_id == reached.c.manifest_id,
                    manifest_edge.c.role == "child",
                ),
            )
            .join(
                repository_content,
                and_(
                    repository_content.c.repository_id == reached.c.repository_id,
                    repository_content.c.content_id == manifest_edge.c.content_id,
                ),
            )
        )
        chains = (
            select(reached.c.tag, image.c.top_layer_id.label("layer_id"), manifest.c.diff_state)
            .join(manifest, manifest.c.content_id == reached.c.manifest_id)
            .join(image, image.c.content_id == manifest.c.image_id)
            .where(image.c.top_layer_id.is_not(None))
            .cte("chains", recursive=True)
        )
        chains = chains.union(
            select(chains.c.tag, layer.c.parent_id, chains.c.diff_state)
            .join(layer, layer.c.id == chains.c.layer_id)
            .where(layer.c.parent_id.is_not(None))
        )
        stored = content.alias("stored")
        encoded = exists(
            select(literal(1))
            .select_from(encoding)
            .join(stored, stored.c.id == encoding.c.stored_id)
            .where(
                encoding.c.content_id == layer.c.diff_id,
                encoding.c.codec == codec,
                stored.c.state == ContentState.PRESENT.value,
            )
        )
        # Until its layers are verified, a pushed manifest tells nothing about its diffs.
        missing = or_(not_(encoded), chains.c.diff_state != DiffState.VERIFIED.value)
        query = (
            select(chains.c.tag).join(layer, layer.c.id == chains.c.layer_id).group_by(chains.c.tag)
        )
        found.update(connection.execute(query.having(func.count().filter(missing) == 0)).scalars())
    return found
