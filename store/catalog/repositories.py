"""What repositories hold and list, as a registry is asked for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, final

from sqlalchemy import and_, bindparam, delete, exists, insert, literal, not_, or_, select, update

from store.catalog.batches import batches
from store.db.schema import (
    blob,
    content,
    document,
    kept,
    label,
    manifest,
    manifest_edge,
    reference,
    repository,
    repository_content,
)
from store.db.types import ContentKey, RepositoryKey
from store.model.contents import ContentState
from store.model.digests import Digest
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Select

    from store.db.sqlite.prepared import Lookup
    from store.model.references import Repository

ANNOTATED_BYTES: Final = 8 * MIB
"""Of manifests whose annotations are looked up at once: each may have 4 MiB of them (or an artifact type as long), and a thousand are asked for."""

_PRESENT: Final = ContentState.PRESENT.value
_AFTER_SLASH: Final = "0"
"""The character that follows ``/``: where the names that begin with ``domain/`` end."""


@final
@dataclass(frozen=True, slots=True)
class HeldManifest:
    """A manifest or index that a repository may serve.

    ``data`` is None when its bytes are no inline document, or not sound.
    """

    key: ContentKey
    digest: Digest
    media_type: str
    data: bytes | None


@final
@dataclass(frozen=True, slots=True)
class Referrer:
    """A manifest or index that has a subject."""

    digest: Digest
    size_bytes: int
    media_type: str
    artifact_type: str
    annotations: Mapping[str, str] | None = field(default_factory=dict)
    """None where they were not looked up: those of the ones before it are enough for one answer."""


def find(connection: Connection, name: Repository) -> RepositoryKey | None:
    """The row of a repository; None when there is none."""
    found = connection.execute(
        select(repository.c.id).where(repository.c.name == str(name))
    ).scalar()
    return None if found is None else RepositoryKey(found)


def hold(
    connection: Connection,
    repository_key: RepositoryKey,
    key: ContentKey,
    *,
    fresh_at: datetime | None = None,
) -> None:
    """Let a repository serve a content.

    ``fresh_at`` begins (or renews) the grace of a blob that no manifest names yet.
    """
    mine = and_(
        repository_content.c.repository_id == repository_key, repository_content.c.content_id == key
    )
    if not connection.execute(select(exists().where(mine))).scalar():
        connection.execute(
            insert(repository_content).values(
                repository_id=repository_key, content_id=key, fresh_at=fresh_at
            )
        )
    elif fresh_at is not None:
        connection.execute(update(repository_content).where(mine).values(fresh_at=fresh_at))


def is_fresh(
    connection: Connection | Lookup, name: Repository, digest: Digest, since: datetime
) -> bool:
    """Whether the grace of a blob that the repository holds has begun after ``since``."""
    return (
        connection.execute(
            _IS_FRESH, {"name": str(name), "digest": digest, "since": since}
        ).scalar()
        is not None
    )


_IS_FRESH: Final = (
    select(literal(1))
    .select_from(repository_content)
    .join(content, content.c.id == repository_content.c.content_id)
    .join(repository, repository.c.id == repository_content.c.repository_id)
    .where(
        repository.c.name == bindparam("name"),
        content.c.digest == bindparam("digest"),
        repository_content.c.fresh_at > bindparam("since"),
    )
)


def let_go(connection: Connection, repository_key: RepositoryKey, key: ContentKey) -> bool:
    """The repository does not serve this content any more; False when it did not."""
    mine = and_(
        repository_content.c.repository_id == repository_key, repository_content.c.content_id == key
    )
    return bool(connection.execute(delete(repository_content).where(mine)).rowcount)


def held(
    connection: Connection, name: Repository, digests: Iterable[Digest]
) -> dict[Digest, ContentKey]:
    """Which of ``digests`` are sound here and may be served by the repository."""
    found: dict[Digest, ContentKey] = {}
    for some in batches(list(dict.fromkeys(digests))):
        query = (
            select(content.c.digest, content.c.id)
            .join(repository_content, repository_content.c.content_id == content.c.id)
            .join(repository, repository.c.id == repository_content.c.repository_id)
            .where(
                repository.c.name == str(name),
                content.c.digest.in_(some),
                content.c.state == ContentState.PRESENT.value,
            )
        )
        found.update((row.digest, ContentKey(row.id)) for row in connection.execute(query))
    return found


def holders(connection: Connection, digest: Digest) -> tuple[str, ...]:
    """The repositories that may serve this content, when it is sound."""
    query = (
        select(repository.c.name)
        .join(repository_content, repository_content.c.repository_id == repository.c.id)
        .join(content, content.c.id == repository_content.c.content_id)
        .where(content.c.digest == digest, content.c.state == ContentState.PRESENT.value)
        .order_by(repository.c.name)
    )
    return tuple(connection.execute(query).scalars())


def holders_of_all(connection: Connection, digests: Iterable[Digest]) -> dict[Digest, list[str]]:
    """The repositories that may serve each of these contents."""
    found: dict[Digest, list[str]] = {}
    for some in batches(list(dict.fromkeys(digests))):
        query = (
            select(content.c.digest, repository.c.name)
            .join(repository_content, repository_content.c.content_id == content.c.id)
            .join(repository, repository.c.id == repository_content.c.repository_id)
            .where(content.c.digest.in_(some))
        )
        for row in connection.execute(query):
            found.setdefault(row.digest, []).append(row.name)
    return found


def image_holders(connection: Connection, digest: Digest) -> tuple[str, ...]:
    """The repositories that may serve a manifest with this digest, or one of the image with this ID."""
    about = select(content.c.id).where(content.c.digest == digest).scalar_subquery()
    query = (
        select(repository.c.name)
        .distinct()
        .join(repository_content, repository_content.c.repository_id == repository.c.id)
        .join(manifest, manifest.c.content_id == repository_content.c.content_id)
        .where(or_(manifest.c.content_id == about, manifest.c.image_id == about))
        .order_by(repository.c.name)
    )
    return tuple(connection.execute(query).scalars())


def by_tag(connection: Connection | Lookup, name: Repository, tag: str) -> HeldManifest | None:
    """What a tag names."""
    return _manifest(connection, _BY_TAG, {"name": str(name), "tag": tag})


def by_digest(
    connection: Connection | Lookup, name: Repository, digest: Digest
) -> HeldManifest | None:
    """A manifest or index that the repository may serve."""
    return _manifest(connection, _BY_DIGEST, {"name": str(name), "digest": digest})


_MANIFESTS: Final = (
    select(content.c.id, content.c.digest, content.c.state, manifest.c.media_type, document.c.bytes)
    .join(manifest, manifest.c.content_id == content.c.id)
    .outerjoin(document, document.c.content_id == content.c.id)
)

# Built once: what a registry is asked for most often. SQLAlchemy knows a statement that it has seen
# before by its identity, and compiles it no more.
_BY_TAG: Final = (
    _MANIFESTS.join(reference, reference.c.manifest_id == content.c.id)
    .join(repository, repository.c.id == reference.c.repository_id)
    .where(repository.c.name == bindparam("name"), reference.c.tag == bindparam("tag"))
)
_BY_DIGEST: Final = (
    _MANIFESTS.join(repository_content, repository_content.c.content_id == content.c.id)
    .join(repository, repository.c.id == repository_content.c.repository_id)
    .where(repository.c.name == bindparam("name"), content.c.digest == bindparam("digest"))
)
_FILE_OF_DIGEST: Final = (
    select(content.c.size_bytes)
    .join(blob, blob.c.content_id == content.c.id)
    .join(repository_content, repository_content.c.content_id == content.c.id)
    .join(repository, repository.c.id == repository_content.c.repository_id)
    .where(
        repository.c.name == bindparam("name"),
        content.c.digest == bindparam("digest"),
        content.c.state == _PRESENT,
    )
)
_OF_DIGEST: Final = _MANIFESTS.where(content.c.digest == bindparam("digest"))


def is_held(connection: Connection | Lookup, name: Repository, digest: Digest) -> bool:
    """Whether a content is sound here and may be served by the repository: `held` for one, as a look-up."""
    return connection.execute(_IS_HELD, {"name": str(name), "digest": digest}).scalar() is not None


_IS_HELD: Final = (
    select(literal(1))
    .select_from(content)
    .join(repository_content, repository_content.c.content_id == content.c.id)
    .join(repository, repository.c.id == repository_content.c.repository_id)
    .where(
        repository.c.name == bindparam("name"),
        content.c.digest == bindparam("digest"),
        content.c.state == _PRESENT,
    )
)


def file_bytes(connection: Connection | Lookup, name: Repository, digest: Digest) -> int | None:
    """The size of a sound content that the repository may serve and that lies in a file of its own.

    None for anything else.
    """
    size_bytes: int | None = connection.execute(
        _FILE_OF_DIGEST, {"name": str(name), "digest": digest}
    ).scalar_one_or_none()
    return size_bytes


def _manifest(
    connection: Connection | Lookup, query: Select[tuple[object, ...]], values: Mapping[str, object]
) -> HeldManifest | None:
    row = connection.execute(query, values).one_or_none()
    if row is None:
        return None
    return HeldManifest(
        ContentKey(row.id), row.digest, row.media_type, row.bytes if row.state == _PRESENT else None
    )


def kept_without_name(connection: Connection, digest: Digest) -> bool:
    """Whether a manifest that is kept without a name is, or reaches, this content.

    One that a repository holds has been pushed there, perhaps by somebody who could name anything
    in it: it reaches what that repository holds as well.
    """
    start = select(content.c.id).where(
        content.c.digest == digest, content.c.state == ContentState.PRESENT.value
    )
    up = start.cte("up", recursive=True)
    up = up.union(
        select(manifest_edge.c.manifest_id).join(up, up.c.id == manifest_edge.c.content_id)
    )
    root, below = repository_content.alias("root"), repository_content.alias("below")
    is_held = exists(select(literal(1)).where(root.c.content_id == kept.c.manifest_id))
    together = exists(
        select(literal(1))
        .select_from(root)
        .join(below, below.c.repository_id == root.c.repository_id)
        .where(
            root.c.content_id == kept.c.manifest_id, below.c.content_id == start.scalar_subquery()
        )
    )
    reaching = (
        select(literal(1))
        .select_from(kept)
        .join(up, up.c.id == kept.c.manifest_id)
        .where(or_(not_(is_held), together))
    )
    return bool(connection.execute(select(exists(reaching))).scalar())


def manifest_of(connection: Connection, digest: Digest) -> HeldManifest | None:
    """A manifest or index by its digest, whoever may serve it."""
    return _manifest(connection, _OF_DIGEST, {"digest": digest})


def tags(connection: Connection, name: Repository, *, after: str, limit: int | None) -> list[str]:
    """The tags of a repository behind ``after``, in byte order."""
    query = (
        select(reference.c.tag)
        .join(repository, repository.c.id == reference.c.repository_id)
        .where(repository.c.name == str(name), reference.c.tag > after)
        .order_by(reference.c.tag)
    )
    return list(connection.execute(query if limit is None else query.limit(limit)).scalars())


def tags_of(connection: Connection, repository_key: RepositoryKey, key: ContentKey) -> list[str]:
    """The tags of a repository that name this manifest."""
    query = select(reference.c.tag).where(
        reference.c.repository_id == repository_key, reference.c.manifest_id == key
    )
    return list(connection.execute(query.order_by(reference.c.tag)).scalars())


def repositories(
    connection: Connection,
    *,
    after: str,
    limit: int,
    domain: str | None = None,
    outside: str | None = None,
) -> list[str]:
    """Full names of repositories that hold a manifest, behind ``after`` in byte order: those of one ``domain``, or those ``outside`` of one."""
    of_domain: list[ColumnElement[bool]] = []
    for chosen in (domain, outside):
        if chosen is not None:
            inside = and_(
                repository.c.name >= f"{chosen}/", repository.c.name < chosen + _AFTER_SLASH
            )
            of_domain.append(inside if chosen is domain else not_(inside))
    holds_one = exists(
        select(literal(1))
        .select_from(repository_content)
        .join(manifest, manifest.c.content_id == repository_content.c.content_id)
        .where(repository_content.c.repository_id == repository.c.id)
    )
    query = (
        select(repository.c.name)
        .where(repository.c.name > after, holds_one, *of_domain)
        .order_by(repository.c.name)
        .limit(limit)
    )
    return list(connection.execute(query).scalars())


def referrers(
    connection: Connection,
    name: Repository,
    subject: Digest,
    *,
    artifact_type: str | None,
    after: str,
    limit: int,
) -> list[Referrer]:
    """What a repository holds that refers to ``subject``, in the order of digests, behind the digest ``after``.

    When they are more than `ANNOTATED_BYTES` together, the last one that is listed is beyond, and
    has no annotations.
    """
    about = content.alias("about")
    query = (
        select(
            content.c.id,
            content.c.digest,
            content.c.size_bytes,
            manifest.c.media_type,
            manifest.c.artifact_type,
        )
        .join(manifest, manifest.c.content_id == content.c.id)
        .join(about, about.c.id == manifest.c.subject_id)
        .join(repository_content, repository_content.c.content_id == content.c.id)
        .join(repository, repository.c.id == repository_content.c.repository_id)
        .where(repository.c.name == str(name), about.c.digest == subject)
        .order_by(content.c.digest)
        .limit(limit)
    )
    if artifact_type is not None:
        query = query.where(manifest.c.artifact_type == artifact_type)
    if after:
        query = query.where(content.c.digest > Digest.parse(after))
    with connection.execute(query) as found:
        rows = list(_enough(found))
    annotations: dict[int, dict[str, str]] = {row.id: {} for row, is_within in rows if is_within}
    for some in batches(list(annotations)):
        for one in connection.execute(
            select(label.c.content_id, label.c.key, label.c.value)
            .where(label.c.content_id.in_(some))
            .order_by(label.c.key)
        ):
            annotations[one.content_id][one.key] = one.value
    return [
        Referrer(
            row.digest,
            row.size_bytes or 0,
            row.media_type,
            row.artifact_type or "",
            annotations.get(row.id),
        )
        for row, _ in rows
    ]


def _enough(rows: Iterable[Any]) -> Iterator[tuple[Any, bool]]:
    """The first of ``rows`` whose manifests (and so what they say of themselves) are no more than `ANNOTATED_BYTES`, and the next one as what is beyond."""
    size_bytes = 0
    for number, row in enumerate(rows):
        size_bytes += row.size_bytes or 0
        is_within = not number or size_bytes <= ANNOTATED_BYTES
        yield row, is_within
        if not is_within:
            return


def drop_unheld(connection: Connection, key: ContentKey) -> None:
    """Keep a manifest no longer that no tag names and no repository serves."""
    named = exists(select(literal(1)).where(reference.c.manifest_id == key))
    served = exists(select(literal(1)).where(repository_content.c.content_id == key))
    connection.execute(delete(kept).where(kept.c.manifest_id == key, not_(or_(named, served))))


# --- what a pushed image claims -------------------------------------------------------------------
