"""The rows that the document log records, read page by page: documents, names, parents, sources.

Digests and times are returned as the texts that the database holds, and in the order in which
`store.documents.records` writes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, final

from sqlalchemy import String, and_, func, or_, select, true, type_coerce

from store.catalog.batches import PAIRS, batches
from store.db.changes import Position
from store.db.schema import (
    content,
    document,
    foreign_source,
    image,
    kept,
    manifest,
    manifest_edge,
    reference,
    reference_log,
    repository,
    repository_content,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from store.db.changes import Value

Row: TypeAlias = "tuple[str, tuple[Value, ...]]"


_DIGEST: Final = type_coerce(content.c.digest, String)

_TAGS: Final = (
    select(
        repository.c.name,
        reference.c.tag,
        _DIGEST,
        type_coerce(reference.c.tagged_at, String),
    )
    .join_from(reference, repository)
    .join(content, content.c.id == reference.c.manifest_id)
)
"""Where tags point: the repository, the tag, the digest of the manifest, and since when."""


@final
@dataclass(frozen=True, slots=True)
class Page:
    """A page of rows.

    Attributes:
        rows: The rows, each with its kind.
        position: What has been read up to.
    """

    rows: tuple[Row, ...]
    position: Position


def position(connection: Connection) -> Position:
    """Return a position that the catalogue has reached, from the rows that it holds.

    Args:
        connection: An open transaction.
    """
    row = connection.execute(
        select(
            select(func.max(content.c.id)).scalar_subquery(),
            select(func.max(reference_log.c.id)).scalar_subquery(),
        )
    ).one()
    return Position(row[0] or 0, row[1] or 0)


def page(
    connection: Connection, start: Position, end: Position, *, max_rows: int, max_bytes: int
) -> Page:
    """Return the next rows that changed after a position.

    Args:
        connection: An open transaction.
        start: What is recorded already.
        end: The position of the catalogue.
        max_rows: The most rows of content, or of the log of references, to look at.
        max_bytes: The most bytes of documents to return; the first document is always returned.
    """
    rows, last = of_content(connection, start.content, max_rows=max_rows, max_bytes=max_bytes)
    if last is not None:
        return Page(tuple(rows), Position(last, start.references))
    query = (
        select(reference_log.c.id, reference_log.c.repository, reference_log.c.tag)
        .where(reference_log.c.id > start.references)
        .order_by(reference_log.c.id)
        .limit(max_rows)
    )
    changed = connection.execute(query).all()
    tags = dict.fromkeys((row.repository, row.tag) for row in changed)
    rows += _tags(connection, list(tags))
    is_whole = len(changed) < max_rows
    return Page(tuple(rows), Position(end.content, end.references if is_whole else changed[-1].id))


def of_content(
    connection: Connection, after: int, *, max_rows: int, max_bytes: int
) -> tuple[list[Row], int | None]:
    """Return what is recorded about the next rows of content, and about the names of manifests.

    Args:
        connection: An open transaction.
        after: The number of the last row of content of the previous page; 0 for the first page.
        max_rows: The most rows of content.
        max_bytes: The most bytes of documents; the first document is always returned.

    Returns:
        The rows, and the number of the last row of content; None if there are no more.
    """
    query = (
        select(content.c.id, _DIGEST.label("digest"), func.length(document.c.bytes).label("size"))
        .outerjoin(document, document.c.content_id == content.c.id)
        .where(content.c.id > after)
        .order_by(content.c.id)
        .limit(max_rows)
    )
    keys: list[int] = []
    total = 0
    found = connection.execute(query).all()
    for row in found:
        total += row.size or 0
        if total > max_bytes and keys:
            break
        keys.append(row.id)
    rows: list[Row] = []
    for some in batches(keys):
        rows += _facts(connection, some)
        rows += _names(connection, some)
    is_last = len(keys) == len(found) < max_rows
    return rows, None if is_last else keys[-1]


def _facts(connection: Connection, keys: Sequence[int]) -> Iterator[Row]:
    """Yield the documents of content, and what is true of them whatever they are named."""
    documents = (
        select(_DIGEST, document.c.bytes)
        .join(content, content.c.id == document.c.content_id)
        .where(document.c.content_id.in_(keys))
    )
    for row in connection.execute(documents):
        yield "document", tuple(row)
    manifests = (
        select(_DIGEST, manifest.c.media_type)
        .join(content, content.c.id == manifest.c.content_id)
        .where(manifest.c.content_id.in_(keys))
    )
    for row in connection.execute(manifests):
        yield "manifest", tuple(row)
    above = content.alias("above")
    parents = (
        select(_DIGEST, type_coerce(above.c.digest, String))
        .join_from(image, content, content.c.id == image.c.content_id)
        .join(above, above.c.id == image.c.parent_id)
        .where(image.c.content_id.in_(keys))
    )
    for row in connection.execute(parents):
        yield "parent", tuple(row)
    layer = content.alias("layer")
    sources = (
        select(_DIGEST, type_coerce(layer.c.digest, String), foreign_source.c.descriptor)
        .join_from(foreign_source, content, content.c.id == foreign_source.c.image_id)
        .join(layer, layer.c.id == foreign_source.c.content_id)
        .where(foreign_source.c.image_id.in_(keys))
    )
    for row in connection.execute(sources):
        yield "source", tuple(row)


def _names(connection: Connection, keys: Sequence[int]) -> Iterator[Row]:
    """Yield the tags of manifests, the repositories that serve them, and which are kept."""
    # A base layer has many repositories and manifests: look at each of these once.
    recorded: set[int] = set()
    for column, condition in (
        (manifest.c.content_id, true()),
        (foreign_source.c.content_id, true()),
        (manifest_edge.c.content_id, manifest_edge.c.urls.is_not(None)),
    ):
        found = select(column).distinct().where(column.in_(keys), condition)
        recorded.update(connection.execute(found).scalars())
    held = (
        select(repository.c.name, _DIGEST, repository_content.c.media_type)
        .join_from(repository_content, repository)
        .join(content, content.c.id == repository_content.c.content_id)
        .where(repository_content.c.content_id.in_(recorded))
    )
    for row in connection.execute(held):
        yield "held", tuple(row)
    tags = _TAGS.where(reference.c.manifest_id.in_(keys))
    for row in connection.execute(tags):
        yield "tag", tuple(row)
    unnamed = (
        select(_DIGEST, type_coerce(kept.c.at, String))
        .join_from(kept, content, content.c.id == kept.c.manifest_id)
        .where(kept.c.manifest_id.in_(keys))
    )
    for row in connection.execute(unnamed):
        yield "kept", tuple(row)


def _tags(connection: Connection, changed: Sequence[tuple[str, str]]) -> Iterator[Row]:
    """Yield where tags point now; tags that were removed point nowhere."""
    for some in batches(changed, PAIRS):
        query = _TAGS.where(
            or_(*(and_(repository.c.name == name, reference.c.tag == tag) for name, tag in some))
        )
        found = {(row[0], row[1]): tuple(row) for row in connection.execute(query)}
        for name, tag in some:
            yield "tag", found.get((name, tag), (name, tag, None, None))
