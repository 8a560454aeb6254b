"""Condemned files: files without a blob row, recorded until they are unlinked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, exists, insert, literal, select

from store.catalog.batches import batches
from store.db.schema import blob, condemned, content

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from store.model.digests import Digest


def condemn(connection: Connection, digests: Sequence[Digest], now: datetime) -> None:
    """Record files to unlink. A file stays if it gets a blob row again before it is unlinked.

    Args:
        connection: An open write transaction.
        digests: The digests of the files; a digest that is condemned already keeps the time of its
            first record.
        now: The current time.
    """
    there: set[Digest] = set()
    for some in batches(digests):
        there.update(
            connection.execute(
                select(condemned.c.digest).where(condemned.c.digest.in_(some))
            ).scalars()
        )
    rows = [
        {"digest": digest, "at": now} for digest in dict.fromkeys(digests) if digest not in there
    ]
    if rows:
        connection.execute(insert(condemned), rows)


def next_condemned(connection: Connection, limit: int) -> list[Digest]:
    """Return up to ``limit`` digests of files to be unlinked, sorted."""
    return list(
        connection.execute(
            select(condemned.c.digest).order_by(condemned.c.digest).limit(limit)
        ).scalars()
    )


def still_condemned(
    connection: Connection, digests: Sequence[Digest]
) -> tuple[tuple[Digest, bool], ...]:
    """Return each digest that is still condemned, and whether its file has a blob row again.

    A file with a blob row must stay.

    Args:
        connection: An open transaction.
        digests: At most `BATCH` digests.
    """
    again = exists(
        select(literal(1)).where(
            content.c.digest == condemned.c.digest, blob.c.content_id == content.c.id
        )
    )
    rows = connection.execute(
        select(condemned.c.digest, again.label("again"))
        .where(condemned.c.digest.in_(digests))
        .order_by(condemned.c.digest)
    )
    return tuple((row.digest, bool(row.again)) for row in rows)


def forget(connection: Connection, digests: Sequence[Digest]) -> None:
    """Delete the records of condemned files that were unlinked or that have to stay."""
    connection.execute(delete(condemned).where(condemned.c.digest.in_(list(digests))))
