"""Foreign layers: descriptors that list the download addresses of layers."""

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
    """Return whether the catalogue has a download address for a layer."""
    return bool(
        connection.execute(select(exists().where(foreign_source.c.content_id == key))).scalar()
    )


def put_foreign_source(connection: Connection, diff: ContentKey, descriptor: bytes) -> bool:
    """Record a descriptor of a foreign layer; return whether the descriptor was new.

    Every descriptor is kept, so that the order of imports does not matter.

    Args:
        connection: An open write transaction.
        diff: Row number of the layer's diff ID.
        descriptor: JSON bytes with the addresses.
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
    """Return the descriptor to list for each foreign layer among ``digests``, as JSON bytes.

    If a layer has several descriptors, the smallest is returned, so that the order of imports does
    not matter.
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
    """Return the download addresses of each foreign layer among ``digests``."""
    return {
        digest: tuple(json.loads(descriptor).get("urls", ()))
        for digest, descriptor in foreign_sources(connection, digests).items()
    }
