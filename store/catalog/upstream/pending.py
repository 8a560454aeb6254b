"""Manifests that were pulled through, and are not published yet: some of their blobs are not here.

All processes of a server share them, because a client may ask each process for a part of an image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, delete, insert, select, update

from store.catalog.batches import BATCH
from store.db.upstream_schema import pending_manifest

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

    from store.model.digests import Digest
    from store.model.references import Reference, Repository


class PendingManifest(NamedTuple):
    """A manifest or index that was served.

    Attributes:
        digest: Its digest.
        media_type: Its media type.
        data: Its bytes.
        tag: The tag that named it when the registry was last asked for the tag; None for no tag.
        etag: The entity tag of that answer; empty if there was none.
        asked_at: When the registry was asked.
    """

    digest: Digest
    media_type: str
    data: bytes
    tag: str | None
    etag: str
    asked_at: datetime


_COLUMNS = (
    pending_manifest.c.digest,
    pending_manifest.c.media_type,
    pending_manifest.c.bytes,
    pending_manifest.c.tag,
    pending_manifest.c.etag,
    pending_manifest.c.asked_at,
)


def put(connection: Connection, repository: Repository, one: PendingManifest) -> int:
    """Remember a manifest, and that its tag names no other one any more.

    Args:
        connection: A write unit.
        repository: The repository that was asked for it.
        one: The manifest. Without a tag, it keeps the one that it had.

    Returns:
        The number of the row; rows that are written later have higher numbers.
    """
    if one.tag is None:
        named = tag_of(connection, repository, one.digest)
        if named is not None:
            one = one._replace(tag=named[0], etag=named[1], asked_at=named[2])
    else:
        connection.execute(
            update(pending_manifest)
            .where(
                pending_manifest.c.repository == str(repository),
                pending_manifest.c.tag == one.tag,
            )
            .values(tag=None)
        )
    connection.execute(delete(pending_manifest).where(_is(repository, one.digest)))
    values = {**one._asdict(), "bytes": one.data, "repository": str(repository)}
    del values["data"]
    made = connection.execute(insert(pending_manifest).values(**values))
    key = made.inserted_primary_key
    assert key is not None  # noqa: S101 - one row was inserted
    return int(key[0])


def since(
    connection: Connection, repository: Repository, number: int
) -> list[tuple[int, PendingManifest]]:
    """Return the manifests of a repository that were remembered after another one.

    Args:
        connection: A read unit.
        repository: The repository.
        number: The number of the other row; 0 for all manifests.
    """
    rows = connection.execute(
        select(pending_manifest.c.id, *_COLUMNS)
        .where(pending_manifest.c.repository == str(repository), pending_manifest.c.id > number)
        .order_by(pending_manifest.c.id)
    )
    return [(row[0], PendingManifest(*row[1:])) for row in rows]


def of_tag(connection: Connection, name: Reference) -> PendingManifest | None:
    """Return the manifest that a tag was last seen to name; None if it is published, or unknown.

    Args:
        connection: A read unit.
        name: The repository and the tag.
    """
    row = connection.execute(
        select(*_COLUMNS)
        .where(
            pending_manifest.c.repository == str(name.repository),
            pending_manifest.c.tag == name.tag,
        )
        .limit(1)
    ).one_or_none()
    return None if row is None else PendingManifest(*row)


def tag_of(
    connection: Connection, repository: Repository, digest: Digest
) -> tuple[str | None, str, datetime] | None:
    """Return the tag of a manifest, the entity tag, and when the registry was asked for it.

    Args:
        connection: A read unit.
        repository: The repository.
        digest: The digest of the manifest.

    Returns:
        The facts; None if the manifest is not pending.
    """
    row = connection.execute(
        select(pending_manifest.c.tag, pending_manifest.c.etag, pending_manifest.c.asked_at).where(
            _is(repository, digest)
        )
    ).one_or_none()
    return None if row is None else (row[0], row[1], row[2])


def remove(connection: Connection, repository: Repository, digest: Digest) -> None:
    """Forget a manifest that was published.

    Args:
        connection: A write unit.
        repository: The repository.
        digest: The digest of the manifest.
    """
    connection.execute(delete(pending_manifest).where(_is(repository, digest)))


def prune(
    connection: Connection, newest: int, *, most: int, max_bytes: int, before: datetime
) -> None:
    """Forget the oldest manifests above ceilings.

    Args:
        connection: A write unit.
        newest: The number of the newest row.
        most: How many manifests stay at most.
        max_bytes: How many bytes they have at most.
        before: Manifests that were asked for before this time go as well.
    """
    count = size = 0
    last = newest + 1
    while True:
        rows = connection.execute(
            select(pending_manifest.c.id, pending_manifest.c.bytes, pending_manifest.c.asked_at)
            .where(pending_manifest.c.id < last)
            .order_by(pending_manifest.c.id.desc())
            .limit(BATCH)
        ).all()
        for number, data, asked_at in rows:
            count, size, last = count + 1, size + len(data), number
            if count > most or size > max_bytes or asked_at < before:
                connection.execute(delete(pending_manifest).where(pending_manifest.c.id <= number))
                return
        if len(rows) < BATCH:
            return


def _is(repository: Repository, digest: Digest) -> ColumnElement[bool]:
    return and_(
        pending_manifest.c.repository == str(repository), pending_manifest.c.digest == digest
    )
