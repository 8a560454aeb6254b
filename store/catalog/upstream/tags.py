"""Tags that were pulled through from upstream registries: what was last seen of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import and_, insert, select, update

from store.db.upstream_schema import upstream_tag

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

    from store.model.digests import Digest
    from store.model.references import Reference


class UpstreamTag(NamedTuple):
    """What was last seen of a tag at its upstream registry.

    Attributes:
        digest: The digest that the tag got in the store.
        etag: The entity tag of the answer; empty if there was none.
        checked_at: When the registry last said that the tag has this digest.
    """

    digest: Digest
    etag: str
    checked_at: datetime


def get(connection: Connection, name: Reference) -> UpstreamTag | None:
    """Return what was last seen of a tag; None for a tag that was never pulled through.

    Args:
        connection: A read unit.
        name: The repository and the tag.
    """
    row = connection.execute(
        select(upstream_tag.c.digest, upstream_tag.c.etag, upstream_tag.c.checked_at).where(
            _is(name)
        )
    ).one_or_none()
    return None if row is None else UpstreamTag(*row)


def put(connection: Connection, name: Reference, seen: UpstreamTag) -> None:
    """Remember a tag in place of what was seen of it before.

    Args:
        connection: A write unit.
        name: The repository and the tag.
        seen: What was seen.
    """
    values = {"digest": seen.digest, "etag": seen.etag, "checked_at": seen.checked_at}
    # There is one writer at a time, so no other one inserts the row in between.
    changed = connection.execute(update(upstream_tag).where(_is(name)).values(**values))
    if not changed.rowcount:
        connection.execute(
            insert(upstream_tag).values(repository=str(name.repository), tag=name.tag, **values)
        )


def _is(name: Reference) -> ColumnElement[bool]:
    return and_(upstream_tag.c.repository == str(name.repository), upstream_tag.c.tag == name.tag)
