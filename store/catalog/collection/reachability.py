"""Reachability: tags reach manifests, the manifests in indexes, and the referrers of manifests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import exists, literal, or_, select, union

from store.catalog.batches import batches
from store.db.schema import (
    image,
    kept,
    lease,
    manifest,
    manifest_edge,
    reference,
    repository_content,
)
from store.db.types import ContentKey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy import Connection, FromClause, Select


def dead_manifests(connection: Connection) -> list[ContentKey]:
    """Return the manifests that no tag, kept manifest, lease or repository reaches."""
    live = _reached_from(
        select(reference.c.manifest_id.label("id")),
        select(kept.c.manifest_id),
        select(lease.c.content_id),
        select(repository_content.c.content_id).join(
            manifest, manifest.c.content_id == repository_content.c.content_id
        ),
    )
    return [
        ContentKey(key)
        for key in connection.execute(
            select(manifest.c.content_id).where(manifest.c.content_id.not_in(select(live.c.id)))
        ).scalars()
    ]


def unreached_in_repositories(connection: Connection) -> list[ContentKey]:
    """Return the manifests in repositories that neither a tag nor a kept manifest reaches."""
    live = _reached_from(select(reference.c.manifest_id.label("id")), select(kept.c.manifest_id))
    query = (
        select(manifest.c.content_id)
        .where(
            exists().where(repository_content.c.content_id == manifest.c.content_id),
            manifest.c.content_id.not_in(select(live.c.id)),
        )
        .order_by(manifest.c.content_id)
    )
    return [ContentKey(key) for key in connection.execute(query).scalars()]


def _reached_from(*roots: Select[tuple[ContentKey]]) -> FromClause:
    """Return the row numbers of ``roots``, their children and their referrers, at any depth.

    Children that are absent are included. Configs and layers are not included.
    """
    first = union(*roots).subquery("roots")
    reached = select(first.c.id).cte("reached", recursive=True)
    steps = (
        select(
            manifest_edge.c.manifest_id.label("above"), manifest_edge.c.content_id.label("below")
        )
        .where(manifest_edge.c.role == "child")
        .union_all(
            select(manifest.c.subject_id, manifest.c.content_id).where(
                manifest.c.subject_id.is_not(None)
            )
        )
        .subquery("steps")
    )
    return reached.union(select(steps.c.below).join(reached, reached.c.id == steps.c.above))


def below(connection: Connection, key: ContentKey) -> set[ContentKey]:
    """Return ``key``, the manifests that it lists, and their referrers, at any depth."""
    return {key, *(under for _, under in _walk(connection, {key}, _below))}


def all_below(connection: Connection, keys: Iterable[ContentKey]) -> set[ContentKey]:
    """Return the manifests among ``keys``, with everything that `below` returns of each."""
    start: set[ContentKey] = set()
    for some in batches(sorted(set(keys))):
        query = select(manifest.c.content_id).where(manifest.c.content_id.in_(some))
        start.update(map(ContentKey, connection.execute(query).scalars()))
    return start | {under for _, under in _walk(connection, start, _below)}


def unreached_below(connection: Connection, key: ContentKey) -> list[ContentKey]:
    """Return the manifests below ``key`` that neither a tag nor a kept manifest reaches.

    Below ``key`` are the manifest itself, the manifests that it lists, and their referrers, at any
    depth. The search goes up from these manifests step by step, because they are few, while a store
    may have many names.

    Args:
        connection: An open transaction.
        key: Row number of a manifest or index.

    Returns:
        Row numbers of manifests that a repository still serves, in ascending order.
    """
    under = below(connection, key)
    served: set[ContentKey] = set()
    for some in batches(sorted(under)):
        held = exists(
            select(literal(1)).where(repository_content.c.content_id == manifest.c.content_id)
        )
        served.update(
            connection.execute(
                select(manifest.c.content_id).where(manifest.c.content_id.in_(some), held)
            ).scalars()
        )
    links = _walk(connection, served, _above)
    live = _rooted(connection, served | {above for above, _ in links})
    while more := {one for above, one in links if above in live} - live:
        live |= more
    return sorted(served - live)


def _walk(
    connection: Connection,
    start: set[ContentKey],
    step: Callable[[Connection, Sequence[ContentKey]], set[tuple[ContentKey, ContentKey]]],
) -> set[tuple[ContentKey, ContentKey]]:
    """Return every (above, below) pair that ``step`` finds when repeated from ``start`` on."""
    found: set[tuple[ContentKey, ContentKey]] = set()
    seen, front = set(start), sorted(start)
    while front:
        for some in batches(front):
            found |= step(connection, some)
        front = sorted({key for pair in found for key in pair} - seen)
        seen.update(front)
    return found


def _below(
    connection: Connection, keys: Sequence[ContentKey]
) -> set[tuple[ContentKey, ContentKey]]:
    """Return the manifests that ``keys`` list and their referrers, as (above, below)."""
    listed = select(manifest_edge.c.manifest_id, manifest_edge.c.content_id).where(
        manifest_edge.c.manifest_id.in_(keys), manifest_edge.c.role == "child"
    )
    referring = select(manifest.c.subject_id, manifest.c.content_id).where(
        manifest.c.subject_id.in_(keys)
    )
    return {
        (ContentKey(above), ContentKey(below))
        for query in (listed, referring)
        for above, below in connection.execute(query)
    }


def _above(
    connection: Connection, keys: Sequence[ContentKey]
) -> set[tuple[ContentKey, ContentKey]]:
    """Return the indexes that list ``keys`` and the subjects of ``keys``, as (above, below)."""
    listing = select(manifest_edge.c.manifest_id, manifest_edge.c.content_id).where(
        manifest_edge.c.content_id.in_(keys), manifest_edge.c.role == "child"
    )
    subjects = select(manifest.c.subject_id, manifest.c.content_id).where(
        manifest.c.content_id.in_(keys), manifest.c.subject_id.is_not(None)
    )
    return {
        (ContentKey(above), ContentKey(below))
        for query in (listing, subjects)
        for above, below in connection.execute(query)
    }


def _rooted(connection: Connection, keys: Iterable[ContentKey]) -> set[ContentKey]:
    """Return the manifests among ``keys`` that have a tag or are kept without a tag."""
    found: set[ContentKey] = set()
    for some in batches(sorted(keys)):
        for holder in (reference.c.manifest_id, kept.c.manifest_id):
            found.update(
                ContentKey(key)
                for key in connection.execute(select(holder).where(holder.in_(some))).scalars()
            )
    return found


def dangling_manifests(connection: Connection) -> list[ContentKey]:
    """Return the kept manifests that ``docker image prune`` would remove.

    A kept manifest is returned unless its image is in use. An image is in use if it has a tag, if a
    tagged index lists it, or if an image that was built on it is in use.
    """
    described = manifest.alias("described")
    used = (
        select(described.c.image_id.label("id"))
        .join(reference, reference.c.manifest_id == described.c.content_id)
        .where(described.c.image_id.is_not(None))
    )
    inside = (
        select(described.c.image_id)
        .join(manifest_edge, manifest_edge.c.content_id == described.c.content_id)
        .join(reference, reference.c.manifest_id == manifest_edge.c.manifest_id)
        .where(described.c.image_id.is_not(None))
    )
    start = union(used, inside).subquery("tagged")
    needed = select(start.c.id).cte("needed", recursive=True)
    needed = needed.union(
        select(image.c.parent_id)
        .join(needed, needed.c.id == image.c.content_id)
        .where(image.c.parent_id.is_not(None))
    )
    query = (
        select(kept.c.manifest_id)
        .join(manifest, manifest.c.content_id == kept.c.manifest_id)
        .where(or_(manifest.c.image_id.is_(None), manifest.c.image_id.not_in(select(needed.c.id))))
        .order_by(kept.c.manifest_id)
    )
    return [ContentKey(key) for key in connection.execute(query).scalars()]
