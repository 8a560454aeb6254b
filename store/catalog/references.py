"""Names: repositories, tags and what they may serve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from sqlalchemy import delete, exists, insert, select, update

from store import platforms
from store.db.schema import content, kept, manifest, manifest_edge, reference, reference_log, repository, repository_content
from store.db.types import ContentKey, RepositoryKey, inserted
from store.references import Reference, Repository
from store.values import ImageID

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Connection, Select

    from store.values import Digest


@final
@dataclass(frozen=True, slots=True)
class Target:
    """What a tag points at: a manifest or index, and the image it stands for (None for an artifact, or an index without our platform)."""

    reference: Reference
    manifest: ContentKey
    digest: Digest
    image: ContentKey | None
    image_id: ImageID | None


def _targets() -> Select[tuple[object, ...]]:
    config = content.alias("config")
    return (
        select(
            repository.c.name,
            reference.c.tag,
            reference.c.manifest_id,
            content.c.digest,
            manifest.c.kind,
            manifest.c.image_id,
            config.c.digest.label("config_digest"),
        )
        .join_from(reference, repository, repository.c.id == reference.c.repository_id)
        .join(manifest, manifest.c.content_id == reference.c.manifest_id)
        .join(content, content.c.id == reference.c.manifest_id)
        .outerjoin(config, config.c.id == manifest.c.image_id)
        .order_by(repository.c.name, reference.c.tag)
    )


def _read(connection: Connection, query: Select[tuple[object, ...]]) -> tuple[Target, ...]:
    found: list[Target] = []
    for row in connection.execute(query):
        domain, _, path = row.name.partition("/")
        name = Reference(Repository(domain, path), row.tag)
        key, image_id = (row.image_id, row.config_digest) if row.kind == "manifest" else _default_child(connection, row.manifest_id)
        found.append(
            Target(name, ContentKey(row.manifest_id), row.digest, None if key is None else ContentKey(key), None if image_id is None else ImageID(image_id))
        )
    return tuple(found)


def _default_child(connection: Connection, index: int) -> tuple[int | None, Digest | None]:
    """The image of an index's child for the default platform, the first one that fits."""
    rows = connection.execute(
        select(manifest_edge.c.platform, manifest.c.image_id, content.c.digest)
        .join(manifest, manifest.c.content_id == manifest_edge.c.content_id)
        .join(content, content.c.id == manifest.c.image_id)
        .where(manifest_edge.c.manifest_id == index, manifest_edge.c.role == "child")
        .order_by(manifest_edge.c.position)
    )
    for row in rows:
        if row.platform is not None and platforms.DEFAULT.matches(platforms.Platform.of_fields(row.platform)):
            return row.image_id, row.digest
    return None, None


def get(connection: Connection, name: Reference) -> Target | None:
    """What ``repository:tag`` points at."""
    found = _read(connection, _targets().where(repository.c.name == str(name.repository), reference.c.tag == name.tag))
    return found[0] if found else None


def in_repository(connection: Connection, name: Repository) -> tuple[Target, ...]:
    """Every tag of a repository, in byte order of the tag."""
    return _read(connection, _targets().where(repository.c.name == str(name)))


def of_image(connection: Connection, key: ContentKey) -> tuple[Target, ...]:
    """Every tag that reaches an image through one of its manifests or an index that holds one, in byte order of the full reference."""
    mine = select(manifest.c.content_id).where(manifest.c.image_id == key)
    indexes = select(manifest_edge.c.manifest_id).where(manifest_edge.c.content_id.in_(mine), manifest_edge.c.role == "child")
    found = _read(connection, _targets().where(reference.c.manifest_id.in_(mine.union_all(indexes))))
    return tuple(sorted(found, key=lambda target: str(target.reference).encode()))


def every(connection: Connection) -> tuple[Target, ...]:
    """Every tag of the store, by repository and tag."""
    return _read(connection, _targets())


def holds(connection: Connection, name: Repository, digest: Digest) -> ContentKey | None:
    """The manifest ``digest`` if this repository may serve it (``name@digest``)."""
    found = connection.execute(
        select(manifest.c.content_id)
        .join(content, content.c.id == manifest.c.content_id)
        .join(repository_content, repository_content.c.content_id == manifest.c.content_id)
        .join(repository, repository.c.id == repository_content.c.repository_id)
        .where(repository.c.name == str(name), content.c.digest == digest)
    ).scalar()
    return None if found is None else ContentKey(found)


def image_of(connection: Connection, manifest_key: ContentKey) -> ContentKey | None:
    """The image a manifest describes, or the default platform's of an index."""
    row = connection.execute(select(manifest.c.kind, manifest.c.image_id).where(manifest.c.content_id == manifest_key)).one()
    found = row.image_id if row.kind == "manifest" else _default_child(connection, manifest_key)[0]
    return None if found is None else ContentKey(found)


def set_tag(connection: Connection, name: Reference, manifest_key: ContentKey, *, now: datetime, operation: str) -> None:
    """Let ``repository:tag`` point at a manifest. What it pointed at before is kept without a name when it has no other."""
    repository_key = _ensure_repository(connection, name.repository)
    before = connection.execute(
        select(reference.c.id, reference.c.manifest_id).where(reference.c.repository_id == repository_key, reference.c.tag == name.tag)
    ).one_or_none()
    if before is not None and before.manifest_id == manifest_key:
        return
    if before is None:
        connection.execute(insert(reference).values(repository_id=repository_key, tag=name.tag, manifest_id=manifest_key, tagged_at=now))
    else:
        connection.execute(update(reference).where(reference.c.id == before.id).values(manifest_id=manifest_key, tagged_at=now))
        keep(connection, ContentKey(before.manifest_id), now=now)
    connection.execute(delete(kept).where(kept.c.manifest_id == manifest_key))
    serve(connection, repository_key, manifest_key)
    _log(connection, name, None if before is None else before.manifest_id, manifest_key, now=now, operation=operation)


def remove_tag(connection: Connection, target: Target, *, now: datetime, operation: str) -> None:
    """Take a tag away; what it pointed at is untouched (see `keep`)."""
    connection.execute(
        delete(reference).where(
            reference.c.tag == target.reference.tag,
            reference.c.repository_id == select(repository.c.id).where(repository.c.name == str(target.reference.repository)).scalar_subquery(),
        )
    )
    _log(connection, target.reference, target.manifest, None, now=now, operation=operation)


def keep(connection: Connection, manifest_key: ContentKey, *, now: datetime) -> bool:
    """Keep a manifest that has no name; False when it has one, or is kept already."""
    if connection.execute(select(exists().where(reference.c.manifest_id == manifest_key))).scalar():
        return False
    if connection.execute(select(exists().where(kept.c.manifest_id == manifest_key))).scalar():
        return False
    connection.execute(insert(kept).values(manifest_id=manifest_key, at=now))
    return True


def drop(connection: Connection, manifests: Iterable[ContentKey]) -> None:
    """Give up manifests that have no name: they are neither kept nor served any more, and the next collection takes them."""
    for key in manifests:
        if not connection.execute(select(exists().where(reference.c.manifest_id == key))).scalar():
            connection.execute(delete(kept).where(kept.c.manifest_id == key))
            connection.execute(delete(repository_content).where(repository_content.c.content_id == key))


def serve(connection: Connection, repository_key: RepositoryKey, manifest_key: ContentKey) -> None:
    """Let a repository serve a manifest and everything it points at."""
    down = select(manifest.c.content_id).where(manifest.c.content_id == manifest_key).cte("down", recursive=True)
    down = down.union(select(manifest_edge.c.content_id).join(down, down.c.content_id == manifest_edge.c.manifest_id))
    held = select(repository_content.c.content_id).where(repository_content.c.repository_id == repository_key)
    rows = connection.execute(select(down.c.content_id).where(down.c.content_id.not_in(held))).scalars().all()
    if rows:
        connection.execute(insert(repository_content), [{"repository_id": repository_key, "content_id": key} for key in rows])


def serve_with_subject(connection: Connection, referrer: ContentKey) -> bool:
    """Let every repository that serves the subject of a manifest serve the manifest too; False when there was nothing to do."""
    subject = select(manifest.c.subject_id).where(manifest.c.content_id == referrer)
    mine = select(repository_content.c.repository_id).where(repository_content.c.content_id == referrer)
    wanted = select(repository_content.c.repository_id).where(
        repository_content.c.content_id == subject.scalar_subquery(), repository_content.c.repository_id.not_in(mine)
    )
    found = connection.execute(wanted).scalars().all()
    for key in found:
        serve(connection, RepositoryKey(key), referrer)
    return bool(found)


def is_manifest(connection: Connection, digest: Digest) -> bool:
    """Whether there is a manifest or index of this digest."""
    return bool(connection.execute(select(exists().where(content.c.digest == digest, manifest.c.content_id == content.c.id))).scalar())


def image_tags(connection: Connection) -> dict[ContentKey, list[Target]]:
    """The tags of every image that has any."""
    by_image: dict[ContentKey, list[Target]] = {}
    for target in every(connection):
        if target.image is not None:
            by_image.setdefault(target.image, []).append(target)
    return by_image


def last_tagged(connection: Connection, key: ContentKey) -> datetime | None:
    """When a tag last came to point at the image."""
    mine = select(manifest.c.content_id).where(manifest.c.image_id == key)
    return connection.execute(select(reference.c.tagged_at).where(reference.c.manifest_id.in_(mine)).order_by(reference.c.tagged_at.desc()).limit(1)).scalar()


def _ensure_repository(connection: Connection, name: Repository) -> RepositoryKey:
    found = connection.execute(select(repository.c.id).where(repository.c.name == str(name))).scalar()
    if found is None:
        found = inserted(connection.execute(insert(repository).values(name=str(name))))
    return RepositoryKey(found)


def _log(connection: Connection, name: Reference, old: int | None, new: int | None, *, now: datetime, operation: str) -> None:
    def digest(key: int | None) -> Digest | None:
        return None if key is None else connection.execute(select(content.c.digest).where(content.c.id == key)).scalar()

    connection.execute(
        insert(reference_log).values(at=now, repository=str(name.repository), tag=name.tag, old=digest(old), new=digest(new), operation=operation)
    )
