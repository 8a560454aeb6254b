"""Lists of the tags of upstream repositories: what registries have answered last."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete, func, insert, select

from store.catalog.batches import BATCH
from store.db.upstream_schema import upstream_tag_list

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from store.model.references import Repository

_BETWEEN = "\n"
"""Stands between two tags, none of which has it."""


class TagList(NamedTuple):
    """The tags of a repository at its upstream registry.

    Attributes:
        tags: The tags.
        asked_at: When the registry has sent them.
    """

    tags: Sequence[str]
    asked_at: datetime


def get(connection: Connection, repository: Repository) -> TagList | None:
    """Return the list of a repository; None if its registry has sent none.

    Args:
        connection: A read unit.
        repository: The repository, as clients name it.
    """
    row = connection.execute(
        select(upstream_tag_list.c.tags, upstream_tag_list.c.asked_at).where(
            upstream_tag_list.c.repository == str(repository)
        )
    ).one_or_none()
    if row is None:
        return None
    return TagList(tuple(row.tags.decode("ascii", "replace").split(_BETWEEN)), row.asked_at)


def put(connection: Connection, repository: Repository, one: TagList) -> int:
    """Remember a list in place of the former one.

    Args:
        connection: A write unit.
        repository: The repository, as clients name it.
        one: The list, which has a tag.

    Returns:
        The number of the row; rows that are written later have higher numbers.
    """
    remove(connection, repository)
    made = connection.execute(
        insert(upstream_tag_list).values(
            repository=str(repository),
            tags=_BETWEEN.join(one.tags).encode("ascii"),
            asked_at=one.asked_at,
        )
    )
    key = made.inserted_primary_key
    assert key is not None  # noqa: S101 - one row was inserted
    return int(key[0])


def remove(connection: Connection, repository: Repository) -> None:
    """Forget the list of a repository.

    Args:
        connection: A write unit.
        repository: The repository, as clients name it.
    """
    connection.execute(
        delete(upstream_tag_list).where(upstream_tag_list.c.repository == str(repository))
    )


def prune(connection: Connection, newest: int, *, most: int, max_bytes: int) -> None:
    """Forget the oldest lists above ceilings.

    Args:
        connection: A write unit.
        newest: The number of the newest row.
        most: How many lists stay at most.
        max_bytes: How many bytes they have at most.
    """
    key, size = upstream_tag_list.c.id, func.length(upstream_tag_list.c.tags)
    count = total = 0
    last = newest + 1
    while True:
        rows = connection.execute(
            select(key, size).where(key < last).order_by(key.desc()).limit(BATCH)
        ).all()
        for number, size_bytes in rows:
            count, total, last = count + 1, total + size_bytes, number
            if count > most or total > max_bytes:
                connection.execute(delete(upstream_tag_list).where(key <= number))
                return
        if len(rows) < BATCH:
            return
