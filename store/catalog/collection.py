"""What may go: roots, marks, deletions that look again before they delete; operations and their leases; the condemned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, exists, insert, literal, or_, select, union

from store.catalog.batches import batches, insert_rows
from store.db.schema import (
    blob,
    condemned,
    content,
    document,
    encoding,
    image,
    kept,
    layer,
    lease,
    manifest,
    manifest_edge,
    operation,
    reference,
    repository_content,
)
from store.db.types import ContentKey, LayerKey
from store.values import ImageID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, FromClause, Select

    from store.values import Digest

FRESH_S: Final = 24 * 3600
"""How long a blob that a repository was given, but no manifest names yet, is left alone."""

# --- operations ------------------------------------------------------------------------------------------------------


def add_operation(connection: Connection, operation_id: str, kind: str, now: datetime, pid: int) -> None:
    """The row of a running operation."""
    connection.execute(insert(operation).values(id=operation_id, kind=kind, started_at=now, pid=pid))


def forget_operation(connection: Connection, operation_id: str) -> None:
    """The operation is over: its row goes, and with it its leases."""
    connection.execute(delete(operation).where(operation.c.id == operation_id))


def operation_ids(connection: Connection) -> tuple[str, ...]:
    """Every operation that has a row."""
    return tuple(connection.execute(select(operation.c.id)).scalars())


def add_leases(connection: Connection, operation_id: str, keys: Iterable[ContentKey]) -> None:
    """While the operation lives, nothing of this is collected."""
    wanted = set(keys)
    held = set(connection.execute(select(lease.c.content_id).where(lease.c.operation_id == operation_id)).scalars())
    insert_rows(connection, lease, ({"operation_id": operation_id, "content_id": key} for key in sorted(wanted - held)))


# --- marks -----------------------------------------------------------------------------------------------------------


def _live_manifests() -> FromClause:
    roots = union(
        select(reference.c.manifest_id.label("id")),
        select(kept.c.manifest_id),
        select(lease.c.content_id),
        select(repository_content.c.content_id).join(manifest, manifest.c.content_id == repository_content.c.content_id),
    ).subquery("roots")
    live = select(roots.c.id).cte("live_manifests", recursive=True)
    steps = (
        select(manifest_edge.c.manifest_id.label("above"), manifest_edge.c.content_id.label("below"))
        .where(manifest_edge.c.role == "child")
        .union_all(select(manifest.c.subject_id, manifest.c.content_id).where(manifest.c.subject_id.is_not(None)))
        .subquery("steps")
    )
    return live.union(select(steps.c.below).join(live, live.c.id == steps.c.above))


def dead_manifests(connection: Connection) -> list[ContentKey]:
    """Manifests that no root reaches, whatever they are referrers of."""
    live = _live_manifests()
    return [ContentKey(key) for key in connection.execute(select(manifest.c.content_id).where(manifest.c.content_id.not_in(select(live.c.id)))).scalars()]


def dead_images(connection: Connection) -> list[ContentKey]:
    """Images that no manifest describes."""
    return [ContentKey(key) for key in connection.execute(select(image.c.content_id).where(*_image_is_free())).scalars()]


def dead_layers(connection: Connection) -> list[LayerKey]:
    """Layers that are part of no image, tops first."""
    live = select(image.c.top_layer_id.label("id")).where(image.c.top_layer_id.is_not(None)).cte("live_layers", recursive=True)
    live = live.union(select(layer.c.parent_id).join(live, live.c.id == layer.c.id).where(layer.c.parent_id.is_not(None)))
    query = select(layer.c.id).where(layer.c.id.not_in(select(live.c.id))).order_by(layer.c.depth.desc())
    return [LayerKey(key) for key in connection.execute(query).scalars()]


def dead_contents(connection: Connection, fresh_since: datetime) -> list[ContentKey]:
    """Content that nothing needs."""
    return [ContentKey(key) for key in connection.execute(select(content.c.id).where(*_content_is_free(fresh_since))).scalars()]


def dangling_manifests(connection: Connection) -> list[ContentKey]:
    """Manifests kept without a name whose image no tagged image was built on: what ``docker image prune`` removes."""
    described = manifest.alias("described")
    used = select(described.c.image_id.label("id")).join(reference, reference.c.manifest_id == described.c.content_id).where(described.c.image_id.is_not(None))
    inside = (
        select(described.c.image_id)
        .join(manifest_edge, manifest_edge.c.content_id == described.c.content_id)
        .join(reference, reference.c.manifest_id == manifest_edge.c.manifest_id)
        .where(described.c.image_id.is_not(None))
    )
    start = union(used, inside).subquery("tagged")
    needed = select(start.c.id).cte("needed", recursive=True)
    needed = needed.union(select(image.c.parent_id).join(needed, needed.c.id == image.c.content_id).where(image.c.parent_id.is_not(None)))
    query = (
        select(kept.c.manifest_id)
        .join(manifest, manifest.c.content_id == kept.c.manifest_id)
        .where(or_(manifest.c.image_id.is_(None), manifest.c.image_id.not_in(select(needed.c.id))))
        .order_by(kept.c.manifest_id)
    )
    return [ContentKey(key) for key in connection.execute(query).scalars()]


def unreached_in_repositories(connection: Connection) -> list[ContentKey]:
    """Manifests that a repository may serve although no reference, kept index or held subject reaches them."""
    roots = union(select(reference.c.manifest_id.label("id")), select(kept.c.manifest_id)).subquery("names")
    live = select(roots.c.id).cte("named", recursive=True)
    steps = (
        select(manifest_edge.c.manifest_id.label("above"), manifest_edge.c.content_id.label("below"))
        .where(manifest_edge.c.role == "child")
        .union_all(select(manifest.c.subject_id, manifest.c.content_id).where(manifest.c.subject_id.is_not(None)))
        .subquery("steps")
    )
    live = live.union(select(steps.c.below).join(live, live.c.id == steps.c.above))
    query = (
        select(manifest.c.content_id)
        .where(exists().where(repository_content.c.content_id == manifest.c.content_id), manifest.c.content_id.not_in(select(live.c.id)))
        .order_by(manifest.c.content_id)
    )
    return [ContentKey(key) for key in connection.execute(query).scalars()]


def unreached_below(connection: Connection, key: ContentKey) -> list[ContentKey]:
    """Of what a manifest lists and what refers to any of it: what no reference, kept index or held subject reaches any more.

    Looked at from below, step by step along indexes: what is under one manifest is little, what is named in a store may be much.
    """
    under = {key, *(below for _, below in _walk(connection, {key}, _below))}
    served: set[ContentKey] = set()
    for some in batches(sorted(under)):
        held = exists(select(literal(1)).where(repository_content.c.content_id == manifest.c.content_id))
        served.update(connection.execute(select(manifest.c.content_id).where(manifest.c.content_id.in_(some), held)).scalars())
    links = _walk(connection, served, _above)
    live = _rooted(connection, served | {above for above, _ in links})
    while more := {below for above, below in links if above in live} - live:
        live |= more
    return sorted(served - live)


def _walk(
    connection: Connection, start: set[ContentKey], step: Callable[[Connection, Sequence[ContentKey]], set[tuple[ContentKey, ContentKey]]]
) -> set[tuple[ContentKey, ContentKey]]:
    """Every (above, below) that is met on the way from ``start``."""
    found: set[tuple[ContentKey, ContentKey]] = set()
    seen, front = set(start), sorted(start)
    while front:
        for some in batches(front):
            found |= step(connection, some)
        front = sorted({key for pair in found for key in pair} - seen)
        seen.update(front)
    return found


def _below(connection: Connection, keys: Sequence[ContentKey]) -> set[tuple[ContentKey, ContentKey]]:
    """What these manifests list, and what refers to them."""
    listed = select(manifest_edge.c.manifest_id, manifest_edge.c.content_id).where(manifest_edge.c.manifest_id.in_(keys), manifest_edge.c.role == "child")
    referring = select(manifest.c.subject_id, manifest.c.content_id).where(manifest.c.subject_id.in_(keys))
    return {(ContentKey(above), ContentKey(below)) for query in (listed, referring) for above, below in connection.execute(query)}


def _above(connection: Connection, keys: Sequence[ContentKey]) -> set[tuple[ContentKey, ContentKey]]:
    """What lists these manifests, and what they refer to."""
    listing = select(manifest_edge.c.manifest_id, manifest_edge.c.content_id).where(manifest_edge.c.content_id.in_(keys), manifest_edge.c.role == "child")
    subjects = select(manifest.c.subject_id, manifest.c.content_id).where(manifest.c.content_id.in_(keys), manifest.c.subject_id.is_not(None))
    return {(ContentKey(above), ContentKey(below)) for query in (listing, subjects) for above, below in connection.execute(query)}


def _rooted(connection: Connection, keys: Iterable[ContentKey]) -> set[ContentKey]:
    """Those of these manifests that have a name or are kept without one."""
    found: set[ContentKey] = set()
    for some in batches(sorted(keys)):
        for holder in (reference.c.manifest_id, kept.c.manifest_id):
            found.update(ContentKey(key) for key in connection.execute(select(holder).where(holder.in_(some))).scalars())
    return found


# --- deletions: each looks once more, in the transaction that deletes -------------------------------------------------


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


def _content_is_free(fresh_since: datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        ~exists(select(literal(1)).where(manifest.c.content_id == content.c.id)),
        ~exists(select(literal(1)).where(manifest.c.subject_id == content.c.id)),
        ~exists(select(literal(1)).where(manifest_edge.c.content_id == content.c.id)),
        ~exists(select(literal(1)).where(image.c.content_id == content.c.id)),
        ~exists(select(literal(1)).where(layer.c.diff_id == content.c.id)),
        ~exists(select(literal(1)).where(encoding.c.stored_id == content.c.id)),
        ~exists(select(literal(1)).where(lease.c.content_id == content.c.id)),
        ~exists(select(literal(1)).where(repository_content.c.content_id == content.c.id, repository_content.c.fresh_at >= fresh_since)),
    )


def delete_manifests(connection: Connection, keys: Sequence[ContentKey]) -> int:
    """Delete those of ``keys`` that are still free; how many went."""
    return sum(connection.execute(delete(manifest).where(manifest.c.content_id.in_(some), *_manifest_is_free())).rowcount for some in batches(keys))


def delete_images(connection: Connection, keys: Sequence[ContentKey]) -> tuple[ImageID, ...]:
    """Delete those of ``keys`` that are still free; which went. Their children lose the parent link, as Docker's do."""
    gone: list[ImageID] = []
    for some in batches(keys):
        free: Select[tuple[object, ...]] = (
            select(content.c.id, content.c.digest).join(image, image.c.content_id == content.c.id).where(content.c.id.in_(some), *_image_is_free())
        )
        rows = connection.execute(free).all()
        connection.execute(delete(image).where(image.c.content_id.in_([row.id for row in rows])))
        gone.extend(ImageID(row.digest) for row in rows)
    return tuple(gone)


def delete_layers(connection: Connection, keys: Sequence[LayerKey]) -> int:
    """Delete those of ``keys`` that are still free; how many went."""
    return sum(connection.execute(delete(layer).where(layer.c.id.in_(some), *_layer_is_free())).rowcount for some in batches(keys))


def delete_contents(connection: Connection, keys: Sequence[ContentKey], *, fresh_since: datetime, now: datetime) -> tuple[int, tuple[tuple[Digest, int], ...]]:
    """Delete those of ``keys`` that are still free and condemn their files: how many rows went, and (digest, size in bytes) of every file."""
    count = 0
    files: list[tuple[Digest, int]] = []
    for some in batches(keys):
        free = list(connection.execute(select(content.c.id).where(content.c.id.in_(some), *_content_is_free(fresh_since))).scalars())
        rows = connection.execute(
            select(content.c.digest, content.c.size_bytes).join(blob, blob.c.content_id == content.c.id).where(content.c.id.in_(free))
        ).all()
        files.extend((row.digest, row.size_bytes or 0) for row in rows)
        condemn(connection, [row.digest for row in rows], now)
        connection.execute(delete(repository_content).where(repository_content.c.content_id.in_(free)))
        for table in (encoding, blob, document):
            connection.execute(delete(table).where(table.c.content_id.in_(free)))
        count += connection.execute(delete(content).where(content.c.id.in_(free))).rowcount
    return count, tuple(files)


# --- files -----------------------------------------------------------------------------------------------------------


def condemn(connection: Connection, digests: Sequence[Digest], now: datetime) -> None:
    """These files are to be unlinked, unless somebody stores them again first."""
    there: set[Digest] = set()
    for some in batches(digests):
        there.update(connection.execute(select(condemned.c.digest).where(condemned.c.digest.in_(some))).scalars())
    rows = [{"digest": digest, "at": now} for digest in dict.fromkeys(digests) if digest not in there]
    if rows:
        connection.execute(insert(condemned), rows)


def next_condemned(connection: Connection, limit: int) -> list[Digest]:
    """Some of the files that wait to be unlinked."""
    return list(connection.execute(select(condemned.c.digest).order_by(condemned.c.digest).limit(limit)).scalars())


def still_condemned(connection: Connection, digests: Sequence[Digest]) -> tuple[tuple[Digest, bool], ...]:
    """Those of ``digests`` that still wait to be unlinked, each with whether it has a blob row again (and must stay)."""
    again = exists(select(literal(1)).where(content.c.digest == condemned.c.digest, blob.c.content_id == content.c.id))
    rows = connection.execute(select(condemned.c.digest, again.label("again")).where(condemned.c.digest.in_(digests)).order_by(condemned.c.digest))
    return tuple((row.digest, bool(row.again)) for row in rows)


def pardon(connection: Connection, digests: Sequence[Digest]) -> None:
    """These are dealt with."""
    connection.execute(delete(condemned).where(condemned.c.digest.in_(list(digests))))
