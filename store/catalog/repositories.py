"""Repositories: the manifests and blobs that each repository may serve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from sqlalchemy import and_, bindparam, case, exists, func, literal, not_, or_, select

from store.catalog.batches import BATCH, PAIRS, batches
from store.db.schema import (
    blob,
    content,
    document,
    kept,
    manifest,
    manifest_edge,
    reference,
    repository,
    repository_content,
)
from store.db.types import ContentKey, RepositoryKey
from store.model.contents import ContentState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection, Select

    from store.db.database import Lookup
    from store.model.digests import Digest
    from store.model.references import Repository

_PRESENT: Final = ContentState.PRESENT.value
_NO_REPOSITORY: Final = not_(
    exists(select(literal(1)).where(repository_content.c.content_id == content.c.id))
)
"""The condition that no repository may serve a row of ``content``."""


@final
@dataclass(frozen=True, slots=True)
class HeldManifest:
    """A manifest or index that a repository may serve.

    Attributes:
        key: Row number of the manifest or index.
        digest: Digest of the manifest or index.
        media_type: Media type of the manifest or index.
        data: Bytes of the manifest or index; None if they are not in the database, or are damaged.
    """

    key: ContentKey
    digest: Digest
    media_type: str
    data: bytes | None


@final
@dataclass(frozen=True, slots=True)
class HeldBlob:
    """A blob in state present that a repository may serve.

    Attributes:
        size_bytes: Size of the blob in bytes.
        in_file: Whether a file holds the blob's bytes unencoded.
    """

    size_bytes: int
    in_file: bool


def find(connection: Connection, name: Repository) -> RepositoryKey | None:
    """Return the row number of a repository; None if it does not exist."""
    found = connection.execute(
        select(repository.c.id).where(repository.c.name == str(name))
    ).scalar()
    return None if found is None else RepositoryKey(found)


def is_fresh(
    connection: Connection | Lookup, name: Repository, digest: Digest, since: datetime
) -> bool:
    """Return whether the grace period of a blob in a repository began after ``since``."""
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


def is_quiet(connection: Connection | Lookup, name: Repository, since: datetime) -> bool:
    """Return whether a repository exists, and no activity was recorded after ``since``.

    Args:
        connection: An open transaction.
        name: The full name of the repository.
        since: The time since which a client may have sent, mounted or looked for blobs.
    """
    return connection.execute(_IS_QUIET, {"name": str(name), "since": since}).scalar() is not None


_IS_QUIET: Final = select(literal(1)).where(
    repository.c.name == bindparam("name"),
    or_(repository.c.blobs_at.is_(None), repository.c.blobs_at <= bindparam("since")),
)


def held(
    connection: Connection, name: Repository, digests: Iterable[Digest]
) -> dict[Digest, ContentKey]:
    """Return the row number of each digest that is present and that a repository may serve.

    Args:
        connection: An open transaction.
        name: The full name of the repository.
        digests: The digests to look up.
    """
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
    """Return the names of the repositories that may serve a digest in state present."""
    query = (
        select(repository.c.name)
        .join(repository_content, repository_content.c.repository_id == repository.c.id)
        .join(content, content.c.id == repository_content.c.content_id)
        .where(content.c.digest == digest, content.c.state == ContentState.PRESENT.value)
        .order_by(repository.c.name)
    )
    return tuple(connection.execute(query).scalars())


def holder_keys(connection: Connection, key: ContentKey) -> list[RepositoryKey]:
    """Return at most `BATCH` row numbers of repositories that may serve a manifest or blob."""
    query = (
        select(repository_content.c.repository_id)
        .where(repository_content.c.content_id == key)
        .limit(BATCH)
    )
    return [RepositoryKey(found) for found in connection.execute(query).scalars()]


def served(
    connection: Connection, pairs: Collection[tuple[Repository, Digest]]
) -> dict[tuple[Repository, Digest], str | None]:
    """Return the pairs whose repository may serve the digest, in whatever state.

    Args:
        connection: An open transaction.
        pairs: Full names of repositories, each with a digest to look up in it.

    Returns:
        The media type under which the repository serves the digest; None for a blob.
    """
    names = {str(name): name for name, _ in pairs}
    of_name: dict[str, list[Digest]] = {}
    for name, digest in pairs:
        of_name.setdefault(str(name), []).append(digest)
    found: dict[tuple[Repository, Digest], str | None] = {}
    few: list[tuple[str, Digest]] = []
    for text, digests in of_name.items():
        if len(digests) < PAIRS:
            few += ((text, digest) for digest in digests)
            continue
        for some in batches(digests):
            found |= _served(connection, names, [text], some)
    # A statement takes names and digests, and answers for all pairs of the two.
    for batch in batches(few, PAIRS):
        answer = _served(
            connection, names, sorted({name for name, _ in batch}), [one for _, one in batch]
        )
        found |= {key: type_ for key, type_ in answer.items() if key in pairs}
    return found


def _served(
    connection: Connection,
    names: Mapping[str, Repository],
    some: Sequence[str],
    digests: Iterable[Digest],
) -> dict[tuple[Repository, Digest], str | None]:
    rows = connection.execute(_SERVED, {"names": some, "digests": list(dict.fromkeys(digests))})
    return {(names[row.name], row.digest): row.type for row in rows}


_SERVED: Final = (
    select(
        repository.c.name,
        content.c.digest,
        case(
            (
                manifest.c.content_id.is_not(None),
                func.coalesce(repository_content.c.media_type, manifest.c.media_type),
            )
        ).label("type"),
    )
    .select_from(content)
    .join(repository_content, repository_content.c.content_id == content.c.id)
    .join(repository, repository.c.id == repository_content.c.repository_id)
    .outerjoin(manifest, manifest.c.content_id == content.c.id)
    .where(
        content.c.digest.in_(bindparam("digests", expanding=True)),
        repository.c.name.in_(bindparam("names", expanding=True)),
    )
)


def unheld(connection: Connection, digests: Iterable[Digest]) -> set[Digest]:
    """Return the digests of ``digests`` that `kept_without_name` finds."""
    found: set[Digest] = set()
    for some in batches(list(dict.fromkeys(digests))):
        # Most digests have a repository, or are not stored.
        alone = select(content.c.digest).where(
            content.c.digest.in_(some), content.c.state == _PRESENT, _NO_REPOSITORY
        )
        found.update(
            digest
            for digest in connection.execute(alone).scalars().all()
            if kept_without_name(connection, digest)
        )
    return found


def holders_of_all(connection: Connection, digests: Iterable[Digest]) -> dict[Digest, list[str]]:
    """Return the names of the repositories that may serve each of ``digests``."""
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
    """Return the names of repositories that may serve the manifest of a digest or image ID."""
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
    """Return the manifest or index that a tag names; None if the tag does not exist."""
    return _manifest(connection, _BY_TAG, {"name": str(name), "tag": tag})


def by_digest(
    connection: Connection | Lookup, name: Repository, digest: Digest
) -> HeldManifest | None:
    """Return a manifest or index by digest; None if the repository may not serve it."""
    return _manifest(connection, _BY_DIGEST, {"name": str(name), "digest": digest})


_COLUMNS: Final = (content.c.id, content.c.digest, content.c.state, document.c.bytes)
_MANIFESTS: Final = (
    select(
        *_COLUMNS,
        func.coalesce(repository_content.c.media_type, manifest.c.media_type).label("media_type"),
    )
    .join_from(content, manifest, manifest.c.content_id == content.c.id)
    .outerjoin(document, document.c.content_id == content.c.id)
)

# The most frequent statements are built once: SQLAlchemy recognises a statement object that it has
# compiled before.
_BY_TAG: Final = (
    _MANIFESTS.join(reference, reference.c.manifest_id == content.c.id)
    .join(repository, repository.c.id == reference.c.repository_id)
    .outerjoin(
        repository_content,
        and_(
            repository_content.c.repository_id == reference.c.repository_id,
            repository_content.c.content_id == reference.c.manifest_id,
        ),
    )
    .where(repository.c.name == bindparam("name"), reference.c.tag == bindparam("tag"))
)
_BY_DIGEST: Final = (
    _MANIFESTS.join(repository_content, repository_content.c.content_id == content.c.id)
    .join(repository, repository.c.id == repository_content.c.repository_id)
    .where(repository.c.name == bindparam("name"), content.c.digest == bindparam("digest"))
)
_HELD_BLOB: Final = (
    select(content.c.size_bytes, blob.c.content_id)
    .select_from(content)
    .outerjoin(blob, blob.c.content_id == content.c.id)
    .join(repository_content, repository_content.c.content_id == content.c.id)
    .join(repository, repository.c.id == repository_content.c.repository_id)
    .where(
        repository.c.name == bindparam("name"),
        content.c.digest == bindparam("digest"),
        content.c.state == _PRESENT,
    )
)
_OF_DIGEST: Final = (
    select(*_COLUMNS, manifest.c.media_type)
    .join_from(content, manifest, manifest.c.content_id == content.c.id)
    .outerjoin(document, document.c.content_id == content.c.id)
    .where(content.c.digest == bindparam("digest"))
)


def held_blob(connection: Connection | Lookup, name: Repository, digest: Digest) -> HeldBlob | None:
    """Return a blob that a repository may serve, by one prepared look-up.

    Args:
        connection: An open transaction.
        name: The repository that serves the blob.
        digest: The digest of the blob.

    Returns:
        The blob; None if the repository does not hold it, or it is not in state present.
    """
    row = connection.execute(_HELD_BLOB, {"name": str(name), "digest": digest}).one_or_none()
    return None if row is None else HeldBlob(row[0], in_file=row[1] is not None)


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
    """Return whether a digest names, or lies below, a manifest that is kept without a name.

    No repository may hold the digest, the manifest, or an index between the two. Such content came
    from an import, and not from a client. Content of a repository is only read through that
    repository.
    """
    start = select(content.c.id).where(
        content.c.digest == digest,
        content.c.state == _PRESENT,
        _NO_REPOSITORY,
    )
    up = start.cte("up", recursive=True)
    above = select(manifest_edge.c.manifest_id).join(up, up.c.id == manifest_edge.c.content_id)
    up = up.union(
        above.where(
            not_(
                exists(
                    select(literal(1)).where(
                        repository_content.c.content_id == manifest_edge.c.manifest_id
                    )
                )
            )
        )
    )
    reaching = select(literal(1)).select_from(kept).join(up, up.c.id == kept.c.manifest_id)
    return bool(connection.execute(select(exists(reaching))).scalar())


def manifest_of(connection: Connection, digest: Digest) -> HeldManifest | None:
    """Return a manifest or index by its digest, in any repository; None if there is none."""
    return _manifest(connection, _OF_DIGEST, {"digest": digest})
