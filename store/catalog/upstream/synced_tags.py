"""Tags that syncs keep: what was last seen of each in its registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, delete, exists, select

from store.catalog.batches import insert_rows
from store.db.upstream_schema import sync_tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import Connection

    from store.model.digests import Digest


class SyncedName(NamedTuple):
    """A tag that a sync keeps.

    Attributes:
        place: The repository that receives it; in a registry, ``docker://`` comes before it.
        tag: The tag.
    """

    place: str
    tag: str


class SyncedTag(NamedTuple):
    """What was last seen of a tag in its registry.

    Attributes:
        source: The repository in the registry.
        digest: The digest that the tag had there; None if it was never seen.
        etag: The entity tag of the answer; empty if there was none.
        parts: A short text for what of the image is taken; empty if it was not taken.
        created_at: When the image was created; None if nobody has asked.
        checked_at: When the registry was last asked.
        failures: How often in a row that failed since.
    """

    source: str
    digest: Digest | None
    etag: str
    parts: str
    created_at: datetime | None
    checked_at: datetime
    failures: int


def of_sync(connection: Connection, sync: str) -> dict[SyncedName, SyncedTag]:
    """Return the tags of a sync.

    Args:
        connection: A read unit.
        sync: The name of the sync.
    """
    columns = (getattr(sync_tag.c, name) for name in SyncedTag._fields)
    rows = connection.execute(
        select(sync_tag.c.place, sync_tag.c.tag, *columns).where(sync_tag.c.sync == sync)
    )
    return {SyncedName(*row[:2]): SyncedTag(*row[2:]) for row in rows}


def put(connection: Connection, sync: str, seen: Mapping[SyncedName, SyncedTag]) -> None:
    """Remember tags in place of what was remembered of them before.

    Args:
        connection: A write unit.
        sync: The name of the sync.
        seen: What was seen of each tag.
    """
    # There is one writer at a time, so no other one inserts the rows in between.
    forget(connection, sync, seen)
    insert_rows(
        connection,
        sync_tag,
        ({"sync": sync, **name._asdict(), **row._asdict()} for name, row in seen.items()),
    )


def forget(connection: Connection, sync: str, names: Iterable[SyncedName]) -> None:
    """Forget tags of a sync.

    Args:
        connection: A write unit.
        sync: The name of the sync.
        names: The tags.
    """
    rows = [{"of_sync": sync, "of_place": one.place, "of_tag": one.tag} for one in names]
    if rows:
        connection.execute(
            delete(sync_tag).where(
                sync_tag.c.sync == bindparam("of_sync"),
                sync_tag.c.place == bindparam("of_place"),
                sync_tag.c.tag == bindparam("of_tag"),
            ),
            rows,
        )


def is_kept_by_others(connection: Connection, sync: str, name: SyncedName) -> bool:
    """Return whether another sync keeps a tag as well.

    Args:
        connection: A read unit.
        sync: The name of the sync.
        name: The tag.
    """
    found = exists().where(
        sync_tag.c.place == name.place,
        sync_tag.c.tag == name.tag,
        sync_tag.c.sync != sync,
        sync_tag.c.digest.is_not(None),
    )
    return bool(connection.execute(select(found)).scalar())
