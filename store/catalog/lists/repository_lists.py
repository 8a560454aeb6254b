"""The lists of a registry, page by page: repositories, tags and referrers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, final

from sqlalchemy import and_, exists, func, literal, not_, select

from store.catalog.batches import batches
from store.db.schema import (
    content,
    label,
    manifest,
    manifest_edge,
    reference,
    repository,
    repository_content,
)
from store.model.byte_sizes import MIB
from store.model.digests import Digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlalchemy import ColumnElement, Connection

    from store.db.types import ContentKey, RepositoryKey
    from store.model.references import Repository


ANNOTATED_BYTES: Final = 8 * MIB
"""Total size of the manifests whose annotations one page loads; one manifest may have 4 MiB."""
_AFTER_SLASH: Final = "0"
"""The character after ``/``: it ends the range of names that begin with ``domain/``."""


@final
@dataclass(frozen=True, slots=True)
class Referrer:
    """A manifest or index that has a subject.

    Attributes:
        digest: Digest of the referrer.
        size_bytes: Size of the referrer in bytes.
        media_type: Media type of the referrer.
        artifact_type: Artifact type of the referrer, or an empty string.
        annotations: Annotations of the referrer; None if the page was full, so they were not
            loaded.
    """

    digest: Digest
    size_bytes: int
    media_type: str
    artifact_type: str
    annotations: Mapping[str, str] | None = field(default_factory=dict)


def tags(connection: Connection, name: Repository, *, after: str, limit: int | None) -> list[str]:
    """Return a page of a repository's tags, in byte order.

    Args:
        connection: An open transaction.
        name: The repository to list.
        after: The last tag of the previous page; an empty string for the first page.
        limit: The most tags to return; None for all.
    """
    query = (
        select(reference.c.tag)
        .join(repository, repository.c.id == reference.c.repository_id)
        .where(repository.c.name == str(name), reference.c.tag > after)
        .order_by(reference.c.tag)
    )
    return list(connection.execute(query if limit is None else query.limit(limit)).scalars())


def tags_of(connection: Connection, repository_key: RepositoryKey, key: ContentKey) -> list[str]:
    """Return the tags that name a manifest in a repository, in byte order."""
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
    """Return a page of the full names of repositories that hold a manifest, in byte order.

    Args:
        connection: An open transaction.
        after: The last name of the previous page; an empty string for the first page.
        limit: The most names to return.
        domain: Only repositories of this domain; None for all.
        outside: Only repositories that are not of this domain; None for all.
    """
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
    """Return a page of the referrers of a subject in a repository, sorted by digest.

    If the referrers together exceed `ANNOTATED_BYTES`, the page ends with the first referrer beyond
    that size. The annotations of this last referrer are not loaded.

    Args:
        connection: An open transaction.
        name: The repository to list.
        subject: The digest of the subject.
        artifact_type: Only referrers of this type; None for all.
        after: The last digest of the previous page; an empty string for the first page.
        limit: The most referrers to return.
    """
    about = content.alias("about")
    query = (
        select(
            content.c.id,
            content.c.digest,
            content.c.size_bytes,
            func.coalesce(repository_content.c.media_type, manifest.c.media_type).label(
                "media_type"
            ),
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


def platforms_beside(
    connection: Connection, name: Repository, missing: Digest, *, limit: int
) -> list[Mapping[str, object]]:
    """Return the platforms of the images that a repository serves beside a missing one.

    Args:
        connection: An open transaction.
        name: The repository.
        missing: The digest of an image. Indexes of the repository list it together with others.
        limit: The most platforms to return.
    """
    absent, listed = content.alias("absent"), manifest_edge.alias("listed")
    index, image = repository_content.alias("held_index"), repository_content.alias("held_image")
    query = (
        select(listed.c.platform)
        .distinct()
        .select_from(absent)
        .join(manifest_edge, manifest_edge.c.content_id == absent.c.id)
        .join(index, index.c.content_id == manifest_edge.c.manifest_id)
        .join(repository, repository.c.id == index.c.repository_id)
        .join(listed, listed.c.manifest_id == manifest_edge.c.manifest_id)
        .join(
            image,
            and_(
                image.c.content_id == listed.c.content_id,
                image.c.repository_id == index.c.repository_id,
            ),
        )
        .join(content, content.c.id == listed.c.content_id)
        .where(
            absent.c.digest == missing,
            repository.c.name == str(name),
            manifest_edge.c.role == "child",
            listed.c.role == "child",
            listed.c.platform.is_not(None),
            content.c.state == "present",
        )
        .limit(limit)
    )
    return [row for row in connection.execute(query).scalars() if row is not None]


def _enough(rows: Iterable[Any]) -> Iterator[tuple[Any, bool]]:
    """Yield rows until their total size exceeds `ANNOTATED_BYTES`; mark each row that still fits.

    The row that exceeds the size is the last. The first row always counts as fitting.
    """
    size_bytes = 0
    for number, row in enumerate(rows):
        size_bytes += row.size_bytes or 0
        is_within = not number or size_bytes <= ANNOTATED_BYTES
        yield row, is_within
        if not is_within:
            return
