"""Records of what happened: events, the ledger of imports, the log of references.

They bind nothing and are never a reason to skip work.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from sqlalchemy import insert, select

from store.catalog.batches import insert_rows
from store.db.schema import event, import_ledger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from store.model.digests import Digest


def add_events(connection: Connection, events: Sequence[Event]) -> None:
    """Append ``events`` in their order."""
    insert_rows(
        connection,
        event,
        (
            {
                "at": one.at,
                "action": one.action,
                "target": one.target,
                "attributes": dict(one.attributes),
            }
            for one in events
        ),
    )


def events(
    connection: Connection,
    *,
    since: datetime | None,
    until: datetime | None,
    actions: Sequence[str],
    targets: Sequence[str],
) -> Iterator[Event]:
    """Events from ``since`` until before or at ``until``, oldest first.

    Of these actions and targets when any are given.
    """
    query = select(event.c.at, event.c.action, event.c.target, event.c.attributes).order_by(
        event.c.id
    )
    if since is not None:
        query = query.where(event.c.at >= since)
    if until is not None:
        query = query.where(event.c.at <= until)
    if actions:
        query = query.where(event.c.action.in_(actions))
    if targets:
        query = query.where(event.c.target.in_(targets))
    for row in connection.execute(query):
        yield Event(row.at, row.action, row.target, row.attributes)


def add_ledger_entry(
    connection: Connection,
    *,
    at: datetime,
    claim: Digest,
    source: str,
    images: Mapping[str, Sequence[str]],
    changed: bool,
    operation: str,
) -> None:
    """Record one import: what the archive claimed (IDs and digests, each with its names) and what came of it."""
    connection.execute(
        insert(import_ledger).values(
            at=at,
            claim=claim,
            source=source,
            images={target: list(names) for target, names in images.items()},
            result="changed" if changed else "unchanged",
            operation=operation,
        )
    )


@final
@dataclass(frozen=True, slots=True)
class Event:
    """Who did what to which image: import, save, tag, untag, delete, gc…."""

    at: datetime
    action: str
    target: str
    attributes: Mapping[str, str] = field(default_factory=dict)
