"""Queries that return rows as they are stored, for fsck to check.

The rows may make no sense: text in a column of integers, digests that are none. So no column is
converted. Run these queries in a unit of `store.db.database.Database.raw`. All of them read a range
of row numbers, so that memory does not grow with the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

from sqlalchemy import Text, bindparam, exists, func, literal, or_, select, type_coerce
from sqlalchemy.types import NullType

from store.db.schema import (
    blob,
    content,
    document,
    encoding,
    image,
    kept,
    label,
    layer,
    manifest,
    manifest_edge,
    reference,
    reference_log,
    repository,
    repository_content,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import ColumnElement, Connection, FromClause, Select

RANGE: Final = 500
"""The most rows of a table in one range."""

_RANGE_BYTES: Final = 16 * 1024 * 1024
"""The most bytes of documents in one range, unless one document alone has more."""

_RAW: Final = NullType()

WALKED: Final[dict[str, tuple[FromClause, ColumnElement[int]]]] = {
    table.name: (table, key)
    for table, key in (
        (content, content.c.id),
        (document, document.c.content_id),
        (blob, blob.c.content_id),
        (layer, layer.c.id),
        (reference, reference.c.id),
        (repository, repository.c.id),
    )
}
"""The tables that are read by ranges of their row numbers."""


def _raw(column: ColumnElement[Any], name: str) -> ColumnElement[Any]:
    return type_coerce(column, _RAW).label(name)


@final
@dataclass(frozen=True, slots=True)
class Range:
    """A range of row numbers.

    Attributes:
        first: The first row number.
        last: The last row number.
    """

    first: int
    last: int


def next_range(connection: Connection, table: str, first: int) -> Range | None:
    """Return the next range of a table with few rows and few bytes; None if no row follows.

    Args:
        connection: A raw read unit.
        table: A table of `WALKED`.
        first: The lowest row number of the range.
    """
    source, key = WALKED[table]
    query = select(_raw(key, "key"), literal(0).label("size_bytes"))
    if table in (document.name, content.name):
        # The length of a BLOB is in its row's header, so SQLite does not read the bytes.
        query = select(_raw(key, "key"), func.length(document.c.bytes).label("size_bytes"))
        if table == content.name:
            source = content.outerjoin(document, document.c.content_id == content.c.id)
    last, size = None, 0
    for row in connection.execute(
        query.select_from(source).where(key >= first).order_by(key).limit(RANGE)
    ):
        size += row.size_bytes if isinstance(row.size_bytes, int) else 0
        if last is not None and size > _RANGE_BYTES:
            break
        last = row.key
    return None if last is None else Range(first, last)


def stored_bytes(connection: Connection) -> tuple[int, int]:
    """Return the number of digests whose bytes are stored, and their size, by the catalogue."""
    mine = or_(
        exists(select(literal(1)).where(blob.c.content_id == content.c.id)),
        exists(select(literal(1)).where(document.c.content_id == content.c.id)),
    )
    size = func.sum(type_coerce(content.c.size_bytes, _RAW))
    row = connection.execute(select(func.count().label("number"), size.label("size")).where(mine))
    found = row.one()
    return found.number, int(found.size) if isinstance(found.size, (int, float)) else 0


def documents(connection: Connection, some: Range) -> Sequence[Any]:
    """Return the documents of a range: row number, digest, size, state and bytes."""
    return connection.execute(_DOCUMENTS, {"first": some.first, "last": some.last}).all()


def blobs(connection: Connection, some: Range) -> Sequence[Any]:
    """Return the blobs of a range: row number, digest, size and state."""
    return connection.execute(_BLOBS, {"first": some.first, "last": some.last}).all()


def encodings(connection: Connection, some: Range) -> dict[int, list[Any]]:
    """Return what each blob of a range decodes to, by the row number of the blob."""
    found: dict[int, list[Any]] = {}
    for row in connection.execute(_ENCODINGS, {"first": some.first, "last": some.last}):
        found.setdefault(row.stored_id, []).append(row)
    return found


def layers(connection: Connection, some: Range) -> Sequence[Any]:
    """Return the layers of a range, each with the chain ID and depth of its parent."""
    return connection.execute(_LAYERS, {"first": some.first, "last": some.last}).all()


def images(connection: Connection, some: Range) -> Sequence[Any]:
    """Return the images of a range, each with its config and the chain ID of its top layer."""
    return connection.execute(_IMAGES, {"first": some.first, "last": some.last}).all()


def manifests(connection: Connection, some: Range) -> Sequence[Any]:
    """Return the manifests of a range, each with its bytes, image and subject."""
    return connection.execute(_MANIFESTS, {"first": some.first, "last": some.last}).all()


def edges(connection: Connection, some: Range) -> dict[int, list[Any]]:
    """Return the links of the manifests of a range, by the row number of the manifest."""
    found: dict[int, list[Any]] = {}
    for row in connection.execute(_EDGES, {"first": some.first, "last": some.last}):
        found.setdefault(row.manifest_id, []).append(row)
    return found


def labels(connection: Connection, some: Range) -> dict[int, dict[Any, Any]]:
    """Return the labels of a range of content, by row number."""
    found: dict[int, dict[Any, Any]] = {}
    for row in connection.execute(_LABELS, {"first": some.first, "last": some.last}):
        found.setdefault(row.content_id, {})[row.key] = row.value
    return found


def served_types(connection: Connection, some: Range) -> dict[int, list[Any]]:
    """Return the media types that repositories state for a range of content, by row number."""
    found: dict[int, list[Any]] = {}
    for row in connection.execute(_SERVED_TYPES, {"first": some.first, "last": some.last}):
        found.setdefault(row.content_id, []).append(row.media_type)
    return found


def references(connection: Connection, some: Range) -> Sequence[Any]:
    """Return the references of a range, each with the last entry of the log about its tag."""
    return connection.execute(_REFERENCES, {"first": some.first, "last": some.last}).all()


def repositories(connection: Connection, some: Range) -> Sequence[Any]:
    """Return the repositories of a range: row number and name."""
    return connection.execute(_REPOSITORIES, {"first": some.first, "last": some.last}).all()


def kept_and_named(connection: Connection) -> Sequence[Any]:
    """Return the digests of manifests that are kept as if they had no name, but have one."""
    return connection.execute(_KEPT_AND_NAMED).all()


def parents(connection: Connection) -> dict[Any, Any]:
    """Return the parent of each image that has one, both as row numbers."""
    query = select(_raw(image.c.content_id, "child"), _raw(image.c.parent_id, "parent"))
    rows = connection.execute(query.where(image.c.parent_id.is_not(None)))
    return {row.child: row.parent for row in rows}


def wrong_states(connection: Connection) -> Iterator[tuple[Any, bool]]:
    """Yield content whose state and stored forms contradict each other.

    Yields:
        Tuples (digest, whether bytes are stored). Content without bytes is recorded as present,
        and content with bytes as absent.
    """
    for query, has_bytes in ((_UNOBTAINABLE, False), (_STORED_BUT_ABSENT, True)):
        for row in connection.execute(query):
            yield row.digest, has_bytes


def digest_of(connection: Connection, key: int) -> object:
    """Return the digest with a row number, as it is stored; None if there is no such row."""
    query = select(_raw(content.c.digest, "digest")).where(content.c.id == key)
    return connection.execute(query).scalar()


def affected(connection: Connection, digest: str) -> tuple[str, ...]:
    """Return the images that use a digest as config, as layer, or as the stored form of a layer.

    Args:
        connection: A raw read unit.
        digest: The digest as text.

    Returns:
        ``repository:tag`` for each tag of such an image, the ID for an image without a tag; sorted.
    """
    text = type_coerce(content.c.digest, Text)
    mine = select(content.c.id).where(text == digest)
    decoded = select(encoding.c.content_id).where(encoding.c.stored_id.in_(mine))
    diffs = mine.union(decoded).subquery("diffs")
    up = select(layer.c.id).where(layer.c.diff_id.in_(select(diffs.c.id))).cte("up", recursive=True)
    above = layer.alias("above")
    up = up.union(select(above.c.id).join(up, above.c.parent_id == up.c.id))
    needing = (
        select(image.c.content_id)
        .where(image.c.top_layer_id.in_(select(up.c.id)))
        .union(mine, select(manifest.c.image_id).where(manifest.c.content_id.in_(mine)))
        .subquery("needing")
    )
    rows = connection.execute(
        select(
            _raw(content.c.digest, "digest"),
            _raw(repository.c.name, "name"),
            _raw(reference.c.tag, "tag"),
        )
        .join(image, image.c.content_id == content.c.id)
        .outerjoin(manifest, manifest.c.image_id == image.c.content_id)
        .outerjoin(reference, reference.c.manifest_id == manifest.c.content_id)
        .outerjoin(repository, repository.c.id == reference.c.repository_id)
        .where(image.c.content_id.in_(select(needing.c.content_id)))
    )
    return tuple(
        sorted(
            {f"{row.name}:{row.tag}" if row.name is not None else str(row.digest) for row in rows}
        )
    )


# --- statements, built once -----------------------------------------------------------------------


def _within(query: Select[Any], key: ColumnElement[int]) -> Select[Any]:
    return query.where(key.between(bindparam("first"), bindparam("last"))).order_by(key)


_DOCUMENTS: Final = _within(
    select(
        _raw(document.c.content_id, "id"),
        _raw(content.c.digest, "digest"),
        _raw(content.c.size_bytes, "size_bytes"),
        _raw(content.c.state, "state"),
        _raw(document.c.bytes, "data"),
    ).join_from(document, content, content.c.id == document.c.content_id),
    document.c.content_id,
)
_BLOBS: Final = _within(
    select(
        _raw(blob.c.content_id, "id"),
        _raw(content.c.digest, "digest"),
        _raw(content.c.size_bytes, "size_bytes"),
        _raw(content.c.state, "state"),
    ).join_from(blob, content, content.c.id == blob.c.content_id),
    blob.c.content_id,
)
_ENCODINGS: Final = _within(
    select(
        _raw(encoding.c.stored_id, "stored_id"),
        _raw(content.c.digest, "digest"),
        _raw(content.c.size_bytes, "size_bytes"),
        _raw(encoding.c.codec, "codec"),
        _raw(encoding.c.seekable, "seekable"),
        _raw(encoding.c.ours, "ours"),
        _raw(encoding.c.checked, "checked"),
    ).join_from(encoding, content, content.c.id == encoding.c.content_id),
    encoding.c.stored_id,
)
_PARENT: Final = layer.alias("parent")
_LAYERS: Final = _within(
    select(
        _raw(layer.c.id, "id"),
        _raw(layer.c.chain_id, "chain_id"),
        _raw(layer.c.parent_id, "parent_id"),
        _raw(layer.c.depth, "depth"),
        _raw(_PARENT.c.chain_id, "parent_chain"),
        _raw(_PARENT.c.depth, "parent_depth"),
        _raw(content.c.digest, "diff"),
    )
    .join_from(layer, content, content.c.id == layer.c.diff_id, isouter=True)
    .outerjoin(_PARENT, _PARENT.c.id == layer.c.parent_id),
    layer.c.id,
)
_IMAGES: Final = _within(
    select(
        _raw(image.c.content_id, "id"),
        _raw(content.c.digest, "digest"),
        _raw(document.c.bytes, "data"),
        _raw(image.c.os, "os"),
        _raw(image.c.architecture, "architecture"),
        _raw(image.c.variant, "variant"),
        _raw(image.c.created_s, "created_s"),
        _raw(image.c.diff_state, "diff_state"),
        _raw(image.c.top_layer_id, "top_layer_id"),
        _raw(layer.c.chain_id, "chain_id"),
    )
    .join_from(image, content, content.c.id == image.c.content_id)
    .outerjoin(document, document.c.content_id == image.c.content_id)
    .outerjoin(layer, layer.c.id == image.c.top_layer_id),
    image.c.content_id,
)
_CONFIG: Final = content.alias("config")
_SUBJECT: Final = content.alias("subject")
_MANIFESTS: Final = _within(
    select(
        _raw(manifest.c.content_id, "id"),
        _raw(content.c.digest, "digest"),
        _raw(document.c.bytes, "data"),
        _raw(manifest.c.media_type, "media_type"),
        _raw(manifest.c.kind, "kind"),
        _raw(manifest.c.artifact_type, "artifact_type"),
        _raw(manifest.c.diff_state, "diff_state"),
        _raw(_CONFIG.c.digest, "image"),
        _raw(_SUBJECT.c.digest, "subject"),
    )
    .join_from(manifest, content, content.c.id == manifest.c.content_id)
    .outerjoin(document, document.c.content_id == manifest.c.content_id)
    .outerjoin(_CONFIG, _CONFIG.c.id == manifest.c.image_id)
    .outerjoin(_SUBJECT, _SUBJECT.c.id == manifest.c.subject_id),
    manifest.c.content_id,
)
_EDGES: Final = _within(
    select(
        _raw(manifest_edge.c.manifest_id, "manifest_id"),
        _raw(manifest_edge.c.role, "role"),
        _raw(manifest_edge.c.position, "position"),
        _raw(content.c.digest, "digest"),
        _raw(content.c.size_bytes, "size_bytes"),
        _raw(content.c.state, "state"),
        _raw(manifest_edge.c.media_type, "media_type"),
        _raw(manifest_edge.c.platform, "platform"),
        _raw(manifest_edge.c.annotations, "annotations"),
        _raw(manifest_edge.c.urls, "urls"),
    ).join_from(manifest_edge, content, content.c.id == manifest_edge.c.content_id, isouter=True),
    manifest_edge.c.manifest_id,
)
_LABELS: Final = _within(
    select(
        _raw(label.c.content_id, "content_id"),
        _raw(label.c.key, "key"),
        _raw(label.c.value, "value"),
    ),
    label.c.content_id,
)
_SERVED_TYPES: Final = _within(
    select(
        _raw(repository_content.c.content_id, "content_id"),
        _raw(repository_content.c.media_type, "media_type"),
    ).where(repository_content.c.media_type.is_not(None)),
    repository_content.c.content_id,
)
_EARLIER: Final = reference_log.alias("earlier")
_REFERENCES: Final = _within(
    select(
        _raw(reference.c.id, "id"),
        _raw(repository.c.name, "name"),
        _raw(reference.c.tag, "tag"),
        _raw(reference.c.tagged_at, "tagged_at"),
        _raw(content.c.digest, "digest"),
        _raw(reference_log.c.id, "logged"),
        _raw(reference_log.c.new, "logged_digest"),
        _raw(reference_log.c.at, "logged_at"),
    )
    .join_from(reference, repository, repository.c.id == reference.c.repository_id, isouter=True)
    .outerjoin(content, content.c.id == reference.c.manifest_id)
    .outerjoin(
        reference_log,
        reference_log.c.id
        == select(func.max(_EARLIER.c.id))
        .where(_EARLIER.c.repository == repository.c.name, _EARLIER.c.tag == reference.c.tag)
        .scalar_subquery(),
    ),
    reference.c.id,
)
_REPOSITORIES: Final = _within(
    select(_raw(repository.c.id, "id"), _raw(repository.c.name, "name")), repository.c.id
)
_KEPT_AND_NAMED: Final = (
    select(_raw(content.c.digest, "digest"))
    .join_from(kept, content, content.c.id == kept.c.manifest_id)
    .where(exists(select(literal(1)).where(reference.c.manifest_id == kept.c.manifest_id)))
)
_HAS_FILE: Final = exists(select(literal(1)).where(blob.c.content_id == content.c.id))
_HAS_DOCUMENT: Final = exists(select(literal(1)).where(document.c.content_id == content.c.id))
_HAS_ENCODING: Final = exists(select(literal(1)).where(encoding.c.content_id == content.c.id))
_UNOBTAINABLE: Final = select(_raw(content.c.digest, "digest")).where(
    content.c.state == "present", ~_HAS_FILE, ~_HAS_DOCUMENT, ~_HAS_ENCODING
)
_STORED_BUT_ABSENT: Final = select(_raw(content.c.digest, "digest")).where(
    content.c.state == "absent", or_(_HAS_FILE, _HAS_DOCUMENT)
)
