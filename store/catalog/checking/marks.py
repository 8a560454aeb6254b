"""Marks of damaged content: the state of a digest, and of what is decoded from its bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import and_, exists, or_, select, update

from store.db.schema import blob, content, document, encoding
from store.model.contents import ContentState

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from store.model.digests import Digest


def mark_damaged(connection: Connection, digest: Digest) -> None:
    """Mark a digest as damaged, so that its bytes are not served until they are stored again.

    Digests that can be decoded only from damaged blobs become damaged too.
    """
    connection.execute(
        update(content).where(content.c.digest == digest).values(state=ContentState.DAMAGED.value)
    )
    stored, other = content.alias("stored"), encoding.alias("other")
    sound = (
        select(other.c.content_id)
        .join(stored, stored.c.id == other.c.stored_id)
        .where(other.c.content_id == content.c.id, stored.c.state == ContentState.PRESENT.value)
    )
    connection.execute(
        update(content)
        .where(
            content.c.id.in_(
                select(encoding.c.content_id).where(
                    encoding.c.stored_id.in_(select(stored.c.id).where(stored.c.digest == digest))
                ),
            ),
            ~exists(sound),
            ~exists(select(blob.c.content_id).where(blob.c.content_id == content.c.id)),
        )
        .values(state=ContentState.DAMAGED.value)
    )


def clear_damage(connection: Connection, digest: Digest) -> None:
    """Mark a digest as present, because its stored bytes were read and are right.

    Digests that were marked only because they are decoded from this blob become present too.
    """
    stored = content.alias("stored")
    decoded = (
        select(encoding.c.content_id)
        .join(stored, stored.c.id == encoding.c.stored_id)
        .where(stored.c.digest == digest)
    )
    connection.execute(
        update(content)
        .where(
            content.c.state == ContentState.DAMAGED.value,
            or_(
                content.c.digest == digest,
                and_(
                    content.c.id.in_(decoded),
                    ~exists(select(blob.c.content_id).where(blob.c.content_id == content.c.id)),
                    ~exists(
                        select(document.c.content_id).where(document.c.content_id == content.c.id)
                    ),
                ),
            ),
        )
        .values(state=ContentState.PRESENT.value)
    )
