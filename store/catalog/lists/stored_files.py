"""The list of all blobs in files, for backups and for checks of copied stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import exists, func, literal, select

from store.db.schema import blob, content, document, image
from store.model.contents import ContentState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from store.model.digests import Digest

_NOT_INLINE: Final = ~exists(select(literal(1)).where(document.c.content_id == content.c.id))


def stored_files(connection: Connection) -> Iterator[tuple[Digest, int | None]]:
    """Yield the digest and the size in bytes of every blob that is only in a file, by digest.

    Bytes that are in the catalogue as well are left out. The size of damaged content may be
    unknown.
    """
    rows = connection.execute(
        select(content.c.digest, content.c.size_bytes)
        .join(blob, blob.c.content_id == content.c.id)
        .where(_NOT_INLINE)
        .order_by(content.c.digest)
    )
    for row in rows:
        yield row.digest, row.size_bytes


def newest_files(connection: Connection, limit: int) -> list[Digest]:
    """Return the blobs whose rows were made last, without known damaged ones.

    Args:
        connection: An open transaction.
        limit: The most blobs to return.
    """
    rows = connection.execute(
        select(content.c.digest, content.c.state)
        .join(blob, blob.c.content_id == content.c.id)
        .where(_NOT_INLINE)
        .order_by(blob.c.content_id.desc())
        .limit(limit)
    )
    return [row.digest for row in rows if row.state == ContentState.PRESENT.value]


def number_of_images(connection: Connection) -> int:
    """Return the number of images, with and without names."""
    return connection.execute(select(func.count()).select_from(image)).scalar_one()
