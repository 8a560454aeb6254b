"""Names: repositories, tags and what they may serve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from sqlalchemy import and_, bindparam, delete, exists, insert, literal, or_, select, update

from store.catalog.batches import PAIRS, batches, insert_rows
from store.db.schema import (
    content,
    kept,
    manifest,
    manifest_edge,
    reference,
    reference_log,
    repository,
    repository_content,
)
from store.db.types import ContentKey, RepositoryKey
from store.model import platforms
from store.model.digests import ImageID
from store.model.references import DEFAULT_DOMAIN, OFFICIAL, Reference, Repository

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Select

    from store.model.digests import Digest

_LAST: Final = "\x7f"
"""Follows every character that a name can have."""


@final
@dataclass(frozen=True, slots=True)
class TagTarget:
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


def _read(connection: Connection, query: Select[tuple[object, ...]]) -> tuple[TagTarget, ...]:
    found: list[TagTarget] = []
    for row in connection.execute(query):
        domain, _, path = row.name.partition("/")
        name = Reference(Repository(domain, path), row.tag)
        key, image_id = (
            (row.image_id, row.config_digest)
            if row.kind == "manifest"
            else _default_child(connection, row.manifest_id)
        )
        found.append(
            TagTarget(
                name,
                ContentKey(row.manifest_id),
                row.digest,
                None if key is None else ContentKey(key),
                None if image_id is None else ImageID(image_id),
            )
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
        if row.platform is not None and platforms.DEFAULT.matches(
            platforms.Platform.of_fields(row.platform)
        ):
            return row.image_id, row.digest
    return None, None


def get(connection: Connection, name: Reference) -> TagTarget | None:
    """What ``repository:tag`` points at."""
    found = _read(
        connection,
        _targets().where(repository.c.name == str(name.repository), reference.c.tag == name.tag),
    )
    return found[0] if found else None


def in_repository(connection: Connection, name: Repository) -> tuple[TagTarget, ...]:
    """Every tag of a repository, in byte order of the tag."""
    return _read(connection, _targets().where(repository.c.name == str(name)))


def of_image(connection: Connection, key: ContentKey) -> tuple[TagTarget, ...]:
    """Every tag that reaches an image through one of its manifests or an index that holds one, in byte order of the full reference."""
    mine = select(manifest.c.content_id).where(manifest.c.image_id == key)
    indexes = select(manifest_edge.c.manifest_id).where(
        manifest_edge.c.content_id.in_(mine), manifest_edge.c.role == "child"
    )
    found = _read(
        connection, _targets().where(reference.c.manifest_id.in_(mine.union_all(indexes)))
    )
    return tuple(sorted(found, key=lambda target: str(target.reference).encode()))


def of_manifest(connection: Connection, key: ContentKey) -> tuple[TagTarget, ...]:
    """Every tag of a manifest or index itself, in byte order of the full reference."""
    found = _read(connection, _targets().where(reference.c.manifest_id == key))
    return tuple(sorted(found, key=lambda target: str(target.reference).encode()))


def default_images_of_indexes(connection: Connection) -> set[ContentKey]:
    """The images that tags stand for which name an index."""
    indexes = (
        select(reference.c.manifest_id)
        .join(manifest, manifest.c.content_id == reference.c.manifest_id)
        .where(manifest.c.kind == "index")
        .distinct()
    )
    children = (
        _default_child(connection, key)[0] for key in connection.execute(indexes).scalars().all()
    )
    return {ContentKey(key) for key in children if key is not None}


def beginning_with(
    connection: Connection, prefix: str, limit: int | None = None
) -> tuple[TagTarget, ...]:
    """Tags of the repositories whose familiar name, as people write it, begins with ``prefix``, and maybe of a few more: ranges of the index of names."""
    starts = (
        [f"{DEFAULT_DOMAIN}/{prefix}", f"{DEFAULT_DOMAIN}/{OFFICIAL}/{prefix}", prefix]
        if prefix
        else [""]
    )
    within = [
        and_(repository.c.name >= start, repository.c.name < start + _LAST) for start in starts
    ]
    found: list[TagTarget] = []
    for one in within:
        query = _targets().where(one)
        found += _read(connection, query if limit is None else query.limit(limit))
    return tuple({target.reference: target for target in found}.values())


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
    row = connection.execute(
        select(manifest.c.kind, manifest.c.image_id).where(manifest.c.content_id == manifest_key)
    ).one()
    found = row.image_id if row.kind == "manifest" else _default_child(connection, manifest_key)[0]
    return None if found is None else ContentKey(found)


def get_all(connection: Connection, names: Iterable[Reference]) -> dict[Reference, TagTarget]:
    """What each of these tags points at; those that are not set are left out."""
    wanted = set(names)
    found: dict[Reference, TagTarget] = {}
    # SQLite finds no index for pairs, but one for each half. In this order most batches are of one
    # tag, or of one repository: then they find no others.
    for some in batches(sorted(wanted, key=lambda name: (name.tag or "", name.repository)), PAIRS):
        halves = (
            repository.c.name.in_({str(name.repository) for name in some}),
            reference.c.tag.in_({name.tag for name in some}),
        )
        found.update(
            (target.reference, target)
            for target in _read(connection, _targets().where(*halves))
            if target.reference in wanted
        )
    return found


def set_tags(
    connection: Connection,
    targets: Mapping[Reference, ContentKey],
    *,
    now: datetime,
    operation: str,
    served: bool = False,
) -> None:
    """Let each ``repository:tag`` point at a manifest.

    What it pointed at before is kept without a name when it has no other.

    The repository then serves everything the manifest reaches; with ``served`` the caller has seen
    to what it serves.
    """
    before = get_all(connection, targets)
    moved = {
        name: key
        for name, key in targets.items()
        if name not in before or before[name].manifest != key
    }
    if not moved:
        return
    repositories = ensure_repositories(connection, {name.repository for name in moved})
    fresh = (
        {
            "repository_id": repositories[name.repository],
            "tag": name.tag,
            "manifest_id": key,
            "tagged_at": now,
        }
        for name, key in moved.items()
        if name not in before
    )
    insert_rows(connection, reference, fresh)
    old = [
        {"repository_key": repositories[name.repository], "old_tag": name.tag, "new": key}
        for name, key in moved.items()
        if name in before
    ]
    if old:
        place = (
            reference.c.repository_id == bindparam("repository_key"),
            reference.c.tag == bindparam("old_tag"),
        )
        connection.execute(
            update(reference).where(*place).values(manifest_id=bindparam("new"), tagged_at=now), old
        )
    for name in moved:
        if name in before:
            keep(connection, before[name].manifest, now=now)
    for some in batches(list(set(moved.values()))):
        connection.execute(delete(kept).where(kept.c.manifest_id.in_(some)))
    if not served:
        serve(connection, {(repositories[name.repository], key) for name, key in moved.items()})
    _log(
        connection,
        {
            name: (before[name].manifest if name in before else None, key)
            for name, key in moved.items()
        },
        now=now,
        operation=operation,
    )


def remove_tag(connection: Connection, target: TagTarget, *, now: datetime, operation: str) -> None:
    """Take a tag away; what it pointed at is untouched (see `keep`)."""
    connection.execute(
        delete(reference).where(
            reference.c.tag == target.reference.tag,
            reference.c.repository_id
            == select(repository.c.id)
            .where(repository.c.name == str(target.reference.repository))
            .scalar_subquery(),
        )
    )
    _log(connection, {target.reference: (target.manifest, None)}, now=now, operation=operation)


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
            connection.execute(
                delete(repository_content).where(repository_content.c.content_id == key)
            )


def serve(connection: Connection, held: Iterable[tuple[RepositoryKey, ContentKey]]) -> None:
    """Let repositories serve manifests, and everything these point at."""
    for some in batches(sorted(held), PAIRS):
        by_repository: dict[RepositoryKey, list[ContentKey]] = {}
        for repository_key, key in some:
            by_repository.setdefault(repository_key, []).append(key)
        # Exactly these pairs: a repository may hold an index without serving all that it lists. And
        # not as a list of pairs, for which SQLite finds no index.
        these = or_(
            *(
                and_(
                    repository_content.c.repository_id == mine,
                    repository_content.c.content_id.in_(keys),
                )
                for mine, keys in by_repository.items()
            )
        )
        start = select(repository_content.c.repository_id, repository_content.c.content_id).where(
            these
        )
        there = {(row.repository_id, row.content_id) for row in connection.execute(start)}
        rows = [
            {"repository_id": repository_key, "content_id": key}
            for repository_key, key in some
            if (repository_key, key) not in there
        ]
        if rows:
            connection.execute(insert(repository_content), rows)
        down = start.cte("down", recursive=True)
        down = down.union(
            select(down.c.repository_id, manifest_edge.c.content_id).join(
                down, down.c.content_id == manifest_edge.c.manifest_id
            )
        )
        held_already = exists(
            select(literal(1)).where(
                repository_content.c.repository_id == down.c.repository_id,
                repository_content.c.content_id == down.c.content_id,
            )
        )
        missing = select(down.c.repository_id, down.c.content_id).where(~held_already)
        connection.execute(
            insert(repository_content).from_select(["repository_id", "content_id"], missing)
        )


def serve_with_subject(connection: Connection, referrer: ContentKey) -> bool:
    """Let every repository that serves the subject of a manifest serve the manifest too.

    False when there was nothing to do.
    """
    subject = select(manifest.c.subject_id).where(manifest.c.content_id == referrer)
    mine = select(repository_content.c.repository_id).where(
        repository_content.c.content_id == referrer
    )
    wanted = select(repository_content.c.repository_id).where(
        repository_content.c.content_id == subject.scalar_subquery(),
        repository_content.c.repository_id.not_in(mine),
    )
    found = connection.execute(wanted).scalars().all()
    serve(connection, [(RepositoryKey(key), referrer) for key in found])
    return bool(found)


def is_manifest(connection: Connection, digest: Digest) -> bool:
    """Whether there is a manifest or index of this digest."""
    return bool(
        connection.execute(
            select(
                exists().where(content.c.digest == digest, manifest.c.content_id == content.c.id)
            )
        ).scalar()
    )


def of_images(
    connection: Connection, keys: Sequence[ContentKey]
) -> dict[ContentKey, list[TagTarget]]:
    """The tags of those of these images that have any, by repository and tag.

    As many images as one statement takes.
    """
    mine = select(manifest.c.content_id).where(manifest.c.image_id.in_(keys))
    indexes = select(manifest_edge.c.manifest_id).where(
        manifest_edge.c.content_id.in_(mine), manifest_edge.c.role == "child"
    )
    wanted = set(keys)
    found: dict[ContentKey, list[TagTarget]] = {}
    for target in _read(
        connection, _targets().where(reference.c.manifest_id.in_(mine.union(indexes)))
    ):
        if target.image in wanted:
            found.setdefault(target.image, []).append(target)
    return found


def last_tagged(connection: Connection, key: ContentKey) -> datetime | None:
    """When a tag last came to point at the image."""
    mine = select(manifest.c.content_id).where(manifest.c.image_id == key)
    return connection.execute(
        select(reference.c.tagged_at)
        .where(reference.c.manifest_id.in_(mine))
        .order_by(reference.c.tagged_at.desc())
        .limit(1)
    ).scalar()


def ensure_repositories(
    connection: Connection, names: Iterable[Repository]
) -> dict[Repository, RepositoryKey]:
    """The rows of repositories, made when they are new."""
    wanted = {str(name): name for name in sorted(names)}
    known = _repository_keys(connection, wanted)
    fresh = [{"name": name} for name in wanted if name not in known]
    if fresh:
        insert_rows(connection, repository, fresh)
        known |= _repository_keys(connection, [row["name"] for row in fresh])
    return {name: known[text] for text, name in wanted.items()}


def _repository_keys(connection: Connection, names: Iterable[str]) -> dict[str, RepositoryKey]:
    known: dict[str, RepositoryKey] = {}
    for some in batches(list(names)):
        rows = connection.execute(
            select(repository.c.name, repository.c.id).where(repository.c.name.in_(some))
        )
        known.update((row.name, RepositoryKey(row.id)) for row in rows)
    return known


def _log(
    connection: Connection,
    changes: Mapping[Reference, tuple[ContentKey | None, ContentKey | None]],
    *,
    now: datetime,
    operation: str,
) -> None:
    keys = {key for change in changes.values() for key in change if key is not None}
    digests: dict[int, Digest] = {}
    for some in batches(list(keys)):
        digests.update(
            (row.id, row.digest)
            for row in connection.execute(
                select(content.c.id, content.c.digest).where(content.c.id.in_(some))
            )
        )
    rows = (
        {
            "at": now,
            "repository": str(name.repository),
            "tag": name.tag,
            "old": None if old is None else digests[old],
            "new": None if new is None else digests[new],
            "operation": operation,
        }
        for name, (old, new) in changes.items()
    )
    insert_rows(connection, reference_log, rows)
