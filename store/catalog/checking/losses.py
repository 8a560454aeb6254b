"""Lost content: which content needs which bytes, what is lost with it, and its removal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from sqlalchemy import delete, exists, literal, or_, select, update

from store.catalog.batches import batches
from store.db.schema import (
    blob,
    content,
    document,
    encoding,
    image,
    manifest,
    manifest_edge,
    reference,
    repository,
    repository_content,
)
from store.db.types import ContentKey
from store.model.contents import ContentState
from store.model.references import Reference, Repository

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from sqlalchemy import Connection

    from store.model.digests import Digest


@final
@dataclass(frozen=True, slots=True)
class EncodingPair:
    """A record that a stored blob decodes to a content.

    Attributes:
        decoded: The digest of the content.
        stored: The digest of the blob.
        is_ours: Whether this store made the blob.
    """

    decoded: Digest
    stored: Digest
    is_ours: bool


def marked(connection: Connection) -> set[Digest]:
    """Return the digests of all content that is marked as damaged."""
    query = select(content.c.digest).where(
        content.c.state == ContentState.DAMAGED.value,
        # SQLite uses the partial index only if its condition is in the statement.
        content.c.state != literal(ContentState.PRESENT.value, literal_execute=True),
    )
    return set(connection.execute(query).scalars())


def encodings_of(connection: Connection, digests: Iterable[Digest]) -> set[EncodingPair]:
    """Return the encodings that are stored in, or decode to, any of ``digests``."""
    stored, decoded = content.alias("stored"), content.alias("decoded")
    query = (
        select(decoded.c.digest.label("decoded"), stored.c.digest.label("stored"), encoding.c.ours)
        .join_from(encoding, stored, encoding.c.stored_id == stored.c.id)
        .join(decoded, encoding.c.content_id == decoded.c.id)
    )
    found: set[EncodingPair] = set()
    for some in batches(list(dict.fromkeys(digests))):
        for side in (stored, decoded):
            rows = connection.execute(query.where(side.c.digest.in_(some)))
            found.update(EncodingPair(row.decoded, row.stored, row.ours) for row in rows)
    return found


def listed(connection: Connection, digests: Iterable[Digest]) -> set[Digest]:
    """Return the digests that a manifest lists, or that a repository holds."""
    found: set[Digest] = set()
    for some in batches(list(dict.fromkeys(digests))):
        query = select(content.c.digest).where(
            content.c.digest.in_(some),
            or_(
                exists(select(literal(1)).where(manifest_edge.c.content_id == content.c.id)),
                exists(select(literal(1)).where(repository_content.c.content_id == content.c.id)),
            ),
        )
        found.update(connection.execute(query).scalars())
    return found


def names_of(connection: Connection, keys: Collection[ContentKey]) -> list[str]:
    """Return the tags that reach manifests, sorted; else the digests of manifests without a tag.

    Args:
        connection: An open transaction.
        keys: Row numbers of manifests and indexes.
    """
    names: set[str] = set()
    for some in batches(sorted(keys)):
        rows = connection.execute(
            select(content.c.digest, repository.c.name, reference.c.tag)
            .join(manifest, manifest.c.content_id == content.c.id)
            .outerjoin(reference, reference.c.manifest_id == manifest.c.content_id)
            .outerjoin(repository, repository.c.id == reference.c.repository_id)
            .where(content.c.id.in_(some))
        )
        for row in rows:
            if row.name is None:
                names.add(str(row.digest))
            else:
                domain, _, path = row.name.partition("/")
                names.add(Reference(Repository(domain, path), row.tag).familiar)
    return sorted(names)


def doomed(connection: Connection, lost: Collection[Digest]) -> set[ContentKey]:
    """Return the manifests that cannot be read or saved without ``lost``.

    A manifest needs its own bytes, its config, its layers and its other blobs. An index needs its
    own bytes and one of its manifests: with some of them, it is a sparse index.

    Args:
        connection: An open transaction.
        lost: The digests of content whose bytes are lost.
    """
    found: set[ContentKey] = set()
    for some in batches(sorted(lost, key=str)):
        itself = (
            select(manifest.c.content_id)
            .join(content, content.c.id == manifest.c.content_id)
            .where(content.c.digest.in_(some))
        )
        listing = (
            select(manifest_edge.c.manifest_id)
            .join(content, content.c.id == manifest_edge.c.content_id)
            .where(content.c.digest.in_(some), manifest_edge.c.role != "child")
        )
        for query in (itself, listing):
            found.update(ContentKey(key) for key in connection.execute(query).scalars())
    waiting = set(found)
    while waiting:
        above: set[ContentKey] = set()
        for some_keys in batches(sorted(waiting)):
            query = select(manifest_edge.c.manifest_id).where(
                manifest_edge.c.content_id.in_(some_keys), manifest_edge.c.role == "child"
            )
            above.update(ContentKey(key) for key in connection.execute(query).scalars())
        waiting = {key for key in above - found if not _has_child(connection, key, found)}
        found |= waiting
    return found


def _has_child(connection: Connection, key: ContentKey, gone: Collection[ContentKey]) -> bool:
    """Return whether an index lists a stored manifest that is not in ``gone``."""
    return bool(_sound_children(connection, key) - set(gone))


def _sound_children(connection: Connection, key: ContentKey) -> set[ContentKey]:
    query = (
        select(manifest.c.content_id)
        .join(manifest_edge, manifest_edge.c.content_id == manifest.c.content_id)
        .where(manifest_edge.c.manifest_id == key, manifest_edge.c.role == "child")
    )
    return {ContentKey(child) for child in connection.execute(query).scalars()}


def children(connection: Connection, keys: Collection[ContentKey]) -> set[ContentKey]:
    """Return the stored manifests that any of the indexes ``keys`` lists."""
    found: set[ContentKey] = set()
    for key in keys:
        found |= _sound_children(connection, key)
    return found


def delete_manifests(connection: Connection, keys: Collection[ContentKey]) -> list[Digest]:
    """Delete manifests without a name, although an index may list them; return their digests.

    Args:
        connection: A write unit, in which the names of the manifests have been removed.
        keys: Row numbers of the manifests.
    """
    gone: list[Digest] = []
    for some in batches(sorted(keys)):
        gone += connection.execute(
            select(content.c.digest)
            .join(manifest, manifest.c.content_id == content.c.id)
            .where(content.c.id.in_(some))
            .order_by(content.c.digest)
        ).scalars()
        connection.execute(delete(manifest).where(manifest.c.content_id.in_(some)))
    return gone


def forget(connection: Connection, lost: Collection[Digest]) -> None:
    """Record that content is absent: its rows of bytes, encodings and repositories are deleted.

    Args:
        connection: A write unit.
        lost: The digests of the content. The caller condemns their files.
    """
    for some in batches(sorted(lost, key=str)):
        keys = list(
            connection.execute(select(content.c.id).where(content.c.digest.in_(some))).scalars()
        )
        connection.execute(
            delete(encoding).where(
                or_(encoding.c.content_id.in_(keys), encoding.c.stored_id.in_(keys))
            )
        )
        connection.execute(
            delete(repository_content).where(repository_content.c.content_id.in_(keys))
        )
        for table in (blob, document):
            connection.execute(delete(table).where(table.c.content_id.in_(keys)))
        connection.execute(
            update(content)
            .where(content.c.id.in_(keys))
            .values(state=ContentState.ABSENT.value, size_bytes=None)
        )


def own_manifests(connection: Connection, digests: Iterable[Digest]) -> list[tuple[Digest, Digest]]:
    """Return the manifests of images among ``digests``, each with the digest of its config."""
    config = content.alias("config")
    found: list[tuple[Digest, Digest]] = []
    for some in batches(list(dict.fromkeys(digests))):
        rows = connection.execute(
            select(content.c.digest, config.c.digest.label("config"))
            .join(manifest, manifest.c.content_id == content.c.id)
            .join(config, config.c.id == manifest.c.image_id)
            .where(content.c.digest.in_(some))
        )
        found += [(row.digest, row.config) for row in rows]
    return found


def documents_among(connection: Connection, digests: Iterable[Digest]) -> set[Digest]:
    """Return the digests of configs, manifests and indexes, and of bytes in the catalogue."""
    found: set[Digest] = set()
    for some in batches(list(dict.fromkeys(digests))):
        for table in (document, manifest, image):
            query = (
                select(content.c.digest)
                .join(table, table.c.content_id == content.c.id)
                .where(content.c.digest.in_(some))
            )
            found.update(connection.execute(query).scalars())
    return found


def stored_twice(connection: Connection) -> list[tuple[Digest, int]]:
    """Return the digests and sizes of bytes that are both in the catalogue and in a file.

    A config that a client pushed as a blob is, as soon as a manifest names it.
    """
    query = (
        select(content.c.digest, content.c.size_bytes)
        .join_from(blob, content, content.c.id == blob.c.content_id)
        .join(document, document.c.content_id == blob.c.content_id)
        .order_by(content.c.digest)
    )
    return [(row.digest, row.size_bytes or 0) for row in connection.execute(query)]


def clear(connection: Connection, digests: Iterable[Digest]) -> None:
    """Remove the marks of content that is known to be stored in a sound form."""
    for some in batches(list(dict.fromkeys(digests))):
        connection.execute(
            update(content)
            .where(content.c.digest.in_(some), content.c.state == ContentState.DAMAGED.value)
            .values(state=ContentState.PRESENT.value)
        )
