"""Manifests and indexes: their links, referrers and repositories."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from sqlalchemy import and_, exists, func, literal, or_, select, update

from store.catalog.batches import batches, insert_rows
from store.catalog.documents import put_labels
from store.db.schema import (
    content,
    kept,
    manifest,
    manifest_edge,
    reference,
    repository,
    repository_content,
)
from store.db.types import ContentKey
from store.model.contents import DiffState
from store.model.references import Repository

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

    from store.formats.image.manifests import Link
    from store.model.digests import Digest


@final
@dataclass(frozen=True, slots=True)
class Edge:
    """A link of a manifest, with the row number of the link's target."""

    link: Link
    target: ContentKey


@final
@dataclass(frozen=True, slots=True)
class NewManifest:
    """A manifest or index to record.

    Attributes:
        key: Row number of the manifest or index.
        kind: "manifest" or "index".
        media_type: Media type of the manifest or index.
        artifact_type: Artifact type of the manifest or index, or an empty string.
        image: Row number of the image that the manifest describes; None for an index or artifact.
        subject: Row number of the subject; None if there is no subject.
        edges: Links of the manifest, each with the row number of its target.
        annotations: Annotations by key.
        verified: Whether the layers that the manifest lists have the diff IDs of the image.
    """

    key: ContentKey
    kind: str
    media_type: str
    artifact_type: str
    image: ContentKey | None
    subject: ContentKey | None
    edges: Sequence[Edge]
    annotations: Mapping[str, str] = field(default_factory=dict)
    verified: bool = False


def add(
    connection: Connection, new: Sequence[NewManifest], *, are_new: bool = False
) -> set[ContentKey]:
    """Insert manifests with their links and annotations; return the new row numbers.

    A manifest that is known already is only marked as verified, or gets the image that it lacks.
    With ``are_new``, none is known: their content was added in this transaction.
    """
    there: dict[int, tuple[int | None, str | None]] = {}
    for some in batches([] if are_new else [one.key for one in new]):
        columns = manifest.c.content_id, manifest.c.image_id, manifest.c.diff_state
        there.update(
            (row.content_id, (row.image_id, row.diff_state))
            for row in connection.execute(select(*columns).where(manifest.c.content_id.in_(some)))
        )
    for one in new:
        if one.key in there and one.image is not None:
            _complete(connection, one, *there[one.key])
    fresh = {one.key: one for one in new if one.key not in there}
    if not fresh:
        return set()
    insert_rows(connection, manifest, map(_row, fresh.values()))
    edges = (
        {**edge_row(edge.link), "manifest_id": one.key, "content_id": edge.target}
        for one in fresh.values()
        for edge in one.edges
    )
    insert_rows(connection, manifest_edge, edges)
    put_labels(connection, {key: one.annotations for key, one in fresh.items()})
    return set(fresh)


def _complete(
    connection: Connection, one: NewManifest, image: int | None, diff_state: str | None
) -> None:
    """Record what is learned about a manifest that is known already.

    A manifest has no image if its config was missing when it was first pushed.

    Args:
        connection: An open write transaction.
        one: The manifest, which describes an image.
        image: The image in the manifest's row.
        diff_state: The state in the manifest's row.
    """
    values: dict[str, object] = {}
    if image is None:
        values = {"image_id": one.image, "diff_state": _diff_state(one)}
    elif one.verified and diff_state != DiffState.VERIFIED.value:
        values = {"diff_state": DiffState.VERIFIED.value}
    if values:
        connection.execute(
            update(manifest).where(manifest.c.content_id == one.key).values(**values)
        )


def _diff_state(one: NewManifest) -> str | None:
    if one.image is None:
        return None
    return (DiffState.VERIFIED if one.verified else DiffState.UNVERIFIED).value


def _row(one: NewManifest) -> dict[str, object]:
    return {
        "content_id": one.key,
        "media_type": one.media_type,
        "kind": one.kind,
        "subject_id": one.subject,
        "artifact_type": one.artifact_type or None,
        "image_id": one.image,
        "diff_state": _diff_state(one),
    }


def edge_row(link: Link) -> dict[str, object]:
    """Return what a row records of a link, without the row numbers of its ends."""
    return {
        "role": link.role.value,
        "position": link.position,
        "media_type": link.target.media_type,
        "platform": None if link.platform is None else dict(link.platform),
        "annotations": dict(link.annotations) or None,
        "urls": {"urls": list(link.urls)} if link.urls else None,
    }


def key_of(connection: Connection, digest: Digest) -> ContentKey | None:
    """Return the row number of a manifest or index; None if no manifest has this digest."""
    query = (
        select(manifest.c.content_id)
        .join(content, content.c.id == manifest.c.content_id)
        .where(content.c.digest == digest)
    )
    found = connection.execute(query).scalar()
    return None if found is None else ContentKey(found)


def is_index(connection: Connection, key: ContentKey) -> bool:
    """Return whether a manifest is an index."""
    return (
        connection.execute(select(manifest.c.kind).where(manifest.c.content_id == key)).scalar()
        == "index"
    )


def images_of(connection: Connection, keys: Sequence[ContentKey]) -> list[ContentKey]:
    """Return the images that any of these manifests describe."""
    found: dict[ContentKey, None] = {}
    for some in batches(keys):
        rows = connection.execute(
            select(manifest.c.image_id).where(
                manifest.c.content_id.in_(some), manifest.c.image_id.is_not(None)
            )
        )
        found.update((ContentKey(key), None) for key in rows.scalars())
    return list(found)


def image_of_each(connection: Connection, digests: Iterable[Digest]) -> dict[Digest, ContentKey]:
    """Return the image that each manifest describes; indexes and artifacts are left out."""
    found: dict[Digest, ContentKey] = {}
    for some in batches(list(dict.fromkeys(digests))):
        query = (
            select(content.c.digest, manifest.c.image_id)
            .join(manifest, manifest.c.content_id == content.c.id)
            .where(content.c.digest.in_(some), manifest.c.image_id.is_not(None))
        )
        found.update((row.digest, ContentKey(row.image_id)) for row in connection.execute(query))
    return found


def media_types(connection: Connection, digests: Iterable[Digest]) -> dict[Digest, str]:
    """Return the media type of each manifest or index among ``digests``."""
    found: dict[Digest, str] = {}
    for some in batches(list(dict.fromkeys(digests))):
        query = select(content.c.digest, manifest.c.media_type).join(
            manifest, manifest.c.content_id == content.c.id
        )
        found.update(
            (row.digest, row.media_type)
            for row in connection.execute(query.where(content.c.digest.in_(some)))
        )
    return found


def referrers(connection: Connection, digests: Iterable[Digest]) -> list[Digest]:
    """Return the direct and indirect referrers of ``digests``, sorted by digest."""
    found: set[Digest] = set()
    wanted = list(digests)
    while wanted:
        more = direct_referrers(connection, wanted)
        wanted = [digest for digest in more if digest not in found]
        found.update(more)
    return sorted(found, key=str)


def direct_referrers(connection: Connection, digests: Iterable[Digest]) -> list[Digest]:
    """Return the manifests whose subject is one of ``digests``, sorted by digest."""
    subject = content.alias("subject")
    found: set[Digest] = set()
    for some in batches(list(dict.fromkeys(digests))):
        query = (
            select(content.c.digest)
            .join(manifest, manifest.c.content_id == content.c.id)
            .join(subject, subject.c.id == manifest.c.subject_id)
            .where(subject.c.digest.in_(some))
        )
        found.update(connection.execute(query).scalars())
    return sorted(found, key=str)


def repositories_of(connection: Connection, digests: Iterable[Digest]) -> list[Repository]:
    """Return the repositories that hold any of ``digests``, sorted by name."""
    found: set[str] = set()
    for some in batches(list(dict.fromkeys(digests))):
        query = (
            select(repository.c.name)
            .join(repository_content, repository_content.c.repository_id == repository.c.id)
            .join(content, content.c.id == repository_content.c.content_id)
            .where(content.c.digest.in_(some))
        )
        found.update(connection.execute(query).scalars())
    return [Repository.parse(name) for name in sorted(found)]


def roots_of(connection: Connection, image_key: ContentKey) -> list[tuple[Digest, bool, DiffState]]:
    """Return each manifest of an image, by digest.

    Returns:
        Tuples (digest, whether the manifest is tagged or kept, whether its layers are the diffs).
    """
    named = exists(select(literal(1)).where(reference.c.manifest_id == manifest.c.content_id))
    held = exists(select(literal(1)).where(kept.c.manifest_id == manifest.c.content_id))
    query = select(content.c.digest, or_(named, held).label("rooted"), manifest.c.diff_state).join(
        manifest, manifest.c.content_id == content.c.id
    )
    return [
        (row.digest, bool(row.rooted), DiffState(row.diff_state))
        for row in connection.execute(
            query.where(manifest.c.image_id == image_key).order_by(content.c.digest)
        )
    ]


@final
@dataclass(frozen=True, slots=True)
class ManifestRow:
    """A manifest or index, and the total size of the content that it lists.

    Attributes:
        key: Row number of the manifest or index.
        digest: Digest of the manifest or index.
        media_type: Media type of the manifest or index.
        kind: "manifest" or "index".
        artifact_type: Artifact type; None if the manifest or index has none.
        subject: Digest of the subject; None if there is no subject.
        size_bytes: Size of the manifest and everything below it, each digest counted once.
    """

    key: ContentKey
    digest: Digest
    media_type: str
    kind: str
    artifact_type: str | None
    subject: Digest | None
    size_bytes: int


def without_image(
    connection: Connection, *, after: Digest | None = None, limit: int | None = None
) -> tuple[ManifestRow, ...]:
    """Return a page of tagged or kept manifests and indexes that describe no image, by digest.

    Args:
        connection: An open transaction.
        after: The last digest of the previous page; None for the first page.
        limit: The most rows to return; None for all.
    """
    named = exists(select(literal(1)).where(reference.c.manifest_id == manifest.c.content_id))
    held = exists(select(literal(1)).where(kept.c.manifest_id == manifest.c.content_id))
    chosen = and_(manifest.c.image_id.is_(None), or_(named, held))
    return _described(
        connection, chosen if after is None else and_(chosen, content.c.digest > after), limit
    )


def describe(connection: Connection, key: ContentKey) -> ManifestRow:
    """Describe a manifest or index that is in the store."""
    return _described(connection, manifest.c.content_id == key)[0]


def _described(
    connection: Connection, condition: ColumnElement[bool], limit: int | None = None
) -> tuple[ManifestRow, ...]:
    subject = content.alias("subject")
    query = (
        select(
            content.c.id,
            content.c.digest,
            manifest.c.media_type,
            manifest.c.kind,
            manifest.c.artifact_type,
            subject.c.digest.label("subject_digest"),
        )
        .join(manifest, manifest.c.content_id == content.c.id)
        .outerjoin(subject, subject.c.id == manifest.c.subject_id)
        .where(condition)
        .order_by(content.c.digest)
        .limit(limit)
    )
    return tuple(
        ManifestRow(
            ContentKey(row.id),
            row.digest,
            row.media_type,
            row.kind,
            row.artifact_type,
            row.subject_digest,
            size_below(connection, ContentKey(row.id)),
        )
        for row in connection.execute(query).all()
    )


def size_below(connection: Connection, key: ContentKey) -> int:
    """Return the size of a manifest and all present content below it in bytes, each digest once."""
    down = select(content.c.id).where(content.c.id == key).cte("below", recursive=True)
    down = down.union(
        select(manifest_edge.c.content_id).join(down, down.c.id == manifest_edge.c.manifest_id)
    )
    query = select(func.sum(content.c.size_bytes)).where(
        content.c.id.in_(select(down.c.id)), content.c.state == "present"
    )
    return connection.execute(query).scalar() or 0


def listed_by(
    connection: Connection, name: Repository, keys: Iterable[ContentKey]
) -> set[ContentKey]:
    """Return the manifests and indexes that ``keys`` list and that a repository may serve.

    Args:
        connection: An open transaction.
        name: The full name of the repository.
        keys: Row numbers of indexes; other manifests have no children.
    """
    found: set[ContentKey] = set()
    for some in batches(sorted(keys)):
        query = (
            select(manifest_edge.c.content_id)
            .join(repository_content, repository_content.c.content_id == manifest_edge.c.content_id)
            .join(repository, repository.c.id == repository_content.c.repository_id)
            .where(
                manifest_edge.c.manifest_id.in_(some),
                manifest_edge.c.role == "child",
                repository.c.name == str(name),
            )
        )
        found.update(ContentKey(key) for key in connection.execute(query).scalars())
    return found


def children_of(
    connection: Connection, key: ContentKey
) -> tuple[tuple[Digest, str, str, int, str, dict[str, str]], ...]:
    """Return the links of a manifest or index, by role and position.

    Returns:
        Tuples (digest, role, media type, size in bytes, state, platform).
    """
    query = (
        select(
            content.c.digest,
            manifest_edge.c.role,
            manifest_edge.c.media_type,
            content.c.size_bytes,
            content.c.state,
            manifest_edge.c.platform,
        )
        .join(manifest_edge, manifest_edge.c.content_id == content.c.id)
        .where(manifest_edge.c.manifest_id == key)
        .order_by(manifest_edge.c.role, manifest_edge.c.position)
    )
    return tuple(
        (
            row.digest,
            row.role,
            row.media_type,
            row.size_bytes or 0,
            row.state,
            dict(row.platform or {}),
        )
        for row in connection.execute(query)
    )


def parts_of_named_indexes(connection: Connection, images: Sequence[ContentKey]) -> set[ContentKey]:
    """Return the images that belong to an index that is tagged or kept.

    Args:
        connection: An open transaction.
        images: Row numbers of at most `BATCH` images.
    """
    up = select(manifest.c.image_id, manifest_edge.c.manifest_id).join(
        manifest_edge, manifest_edge.c.content_id == manifest.c.content_id
    )
    inside = up.where(manifest.c.image_id.in_(images), manifest_edge.c.role == "child").cte(
        "inside", recursive=True
    )
    above = select(inside.c.image_id, manifest_edge.c.manifest_id).join(
        manifest_edge, manifest_edge.c.content_id == inside.c.manifest_id
    )
    inside = inside.union(above.where(manifest_edge.c.role == "child"))
    named = exists(select(literal(1)).where(reference.c.manifest_id == inside.c.manifest_id))
    held = exists(select(literal(1)).where(kept.c.manifest_id == inside.c.manifest_id))
    return {
        ContentKey(key)
        for key in connection.execute(select(inside.c.image_id).where(or_(named, held))).scalars()
    }
