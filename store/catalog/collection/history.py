"""Ceilings for the history: events, changes of tags, and imports; the oldest are removed first.

A collection and a server apply the ceilings. The newest change of a tag is never removed, because
`store.catalog.references.version` compares its number. Nor is the last change of a tag that a
registry set for a variant, because that change alone says that no user has set the tag.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from sqlalchemy import and_, delete, exists, func, literal, not_, select

from store.catalog.events import MAX_EVENTS, remove_old_events
from store.catalog.variants import OFFER
from store.db.schema import import_ledger, reference, reference_log, repository

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Table

MAX_TAG_CHANGES: Final = 1_000_000
"""The number of changes of tags that are kept."""

MAX_IMPORTS: Final = 100_000
"""The number of imports that are kept; the row of an import has the names of all its images."""

MAX_REMOVED: Final = 10_000
"""The number of rows of one kind that one call removes, so that other writers wait only shortly."""


@final
@dataclass(frozen=True, slots=True)
class Removed:
    """What one call has removed.

    Args:
        events: The number of events.
        has_more: Whether there may be more to remove.
    """

    events: int
    has_more: bool


def remove_old(
    connection: Connection, *, before: datetime | None = None, keep: int | None = None
) -> Removed:
    """Remove some of the oldest events, changes of tags and imports.

    Args:
        connection: An open write transaction.
        before: Remove everything before this time; None for no such limit.
        keep: The number of events, changes of tags and imports to keep, of each kind, if it is
            less than its ceiling; None for the ceilings.
    """
    counts = (
        remove_old_events(
            connection, before=before, keep=_least(keep, MAX_EVENTS), most=MAX_REMOVED
        ),
        _remove_old_imports(connection, before, _least(keep, MAX_IMPORTS)),
        _remove_old_tag_changes(connection, before, _least(keep, MAX_TAG_CHANGES)),
    )
    return Removed(counts[0], has_more=max(counts) >= MAX_REMOVED)


def _least(keep: int | None, ceiling: int) -> int:
    return ceiling if keep is None else min(keep, ceiling)


def _remove_old_imports(connection: Connection, before: datetime | None, keep: int) -> int:
    last = _last_old(connection, import_ledger, before, keep)
    if last is None:
        return 0
    return _remove(connection, import_ledger, import_ledger.c.id <= last)


def _remove_old_tag_changes(connection: Connection, before: datetime | None, keep: int) -> int:
    newest = connection.execute(select(func.max(reference_log.c.id))).scalar()
    last = _last_old(connection, reference_log, before, keep)
    if last is None or newest is None:
        return 0
    later = reference_log.alias()
    of_variant = and_(
        reference_log.c.operation == OFFER,
        exists(
            select(literal(1))
            .select_from(reference)
            .join(repository, repository.c.id == reference.c.repository_id)
            .where(
                repository.c.name == reference_log.c.repository,
                reference.c.tag == reference_log.c.tag,
            )
        ),
        not_(
            exists(
                select(literal(1)).where(
                    later.c.repository == reference_log.c.repository,
                    later.c.tag == reference_log.c.tag,
                    later.c.id > reference_log.c.id,
                )
            )
        ),
    )
    return _remove(
        connection,
        reference_log,
        and_(reference_log.c.id <= last, reference_log.c.id < newest, not_(of_variant)),
    )


def _remove(connection: Connection, table: Table, condition: ColumnElement[bool]) -> int:
    """Remove the oldest `MAX_REMOVED` rows that meet a condition; return their number."""
    keys = select(table.c.id).where(condition).order_by(table.c.id).limit(MAX_REMOVED)
    return connection.execute(delete(table).where(table.c.id.in_(keys))).rowcount


def _last_old(
    connection: Connection, table: Table, before: datetime | None, keep: int
) -> int | None:
    """Return the highest row number to remove; None if no row is too old.

    Args:
        connection: An open transaction.
        table: A table of the history; later rows have higher numbers.
        before: Rows before this time are too old; None for no such limit.
        keep: The number of rows that are kept.
    """
    key = table.c.id
    oldest = connection.execute(select(func.min(key))).scalar()
    newest = connection.execute(select(func.max(key))).scalar()
    if oldest is None or newest is None:
        return None
    last: int | None = None
    if newest - oldest >= keep:
        # There may be gaps, so that the rows have to be counted.
        walk = select(key).where(key >= oldest).order_by(key.desc())
        last = connection.execute(walk.limit(1).offset(keep)).scalar()
    if before is None:
        return last
    # Rows have no index of their times. Their times grow with their numbers.
    low, high = oldest - 1 if last is None else last, newest + 1
    while high - low > 1:
        middle = (low + high) // 2
        query = select(key, table.c.at).where(key >= middle).order_by(key).limit(1)
        row = connection.execute(query).one()
        if row.at < before:
            low = last = row.id
        else:
            high = middle
    return last
