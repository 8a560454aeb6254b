"""Foreign layers: the descriptors that say where layers may be fetched."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import exists, insert, select

from store.catalog.batches import batches
from store.db.schema import content, foreign_source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy import Connection

    from store.db.types import ContentKey
    from store.model.digests import Digest


def is_foreign(connection: Connection, key: ContentKey) -> bool:
    """Whether it is known where this layer may be fetched."""
    return bool(
        connection.execute(select(exists().where(foreign_source.c.content_id == key))).scalar()
    )


def put_foreign_source(connection: Connection, diff: ContentKey, descriptor: bytes) -> bool:
    """Record where a foreign layer may be fetched; False when that was known.

    All descriptors ever claimed are kept: the order of imports must not matter.
    """
    if connection.execute(
        select(
            exists().where(
                foreign_source.c.content_id == diff, foreign_source.c.descriptor == descriptor
            )
        )
    ).scalar():
        return False
    connection.execute(insert(foreign_source).values(content_id=diff, descriptor=descriptor))
    return True


def foreign_sources(connection: Connection, digests: Iterable[Digest]) -> Mapping[Digest, bytes]:
    """The descriptor (JSON bytes) to list for each foreign layer among ``digests``.

    Of several, the smallest, so that the choice is the same everywhere.
    """
    chosen: dict[Digest, bytes] = {}
    for some in batches(list(dict.fromkeys(digests))):
        rows = connection.execute(
            select(content.c.digest, foreign_source.c.descriptor)
            .join_from(content, foreign_source)
            .where(content.c.digest.in_(some))
        )
        for digest, descriptor in rows:
            chosen[digest] = min(descriptor, chosen.get(digest, descriptor))
    return chosen


def foreign_urls(
    connection: Connection, digests: Iterable[Digest]
) -> dict[Digest, tuple[str, ...]]:
    """Where each foreign layer among ``digests`` may be fetched."""
    return {
        digest: tuple(json.loads(descriptor).get("urls", ()))
        for digest, descriptor in foreign_sources(connection, digests).items()
    }
