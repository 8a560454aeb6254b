"""History: events, and the ledger of imports.

These records hold digests as plain values, so a collection may delete content although a record
names it. No operation skips work because of these records.
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
    """Yield events, oldest first.

    Args:
        connection: An open transaction.
        since: The earliest time, None for no limit.
        until: The latest time, None for no limit.
        actions: The actions that are wanted; empty for all.
        targets: The targets that are wanted; empty for all.
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
    """Record one import.

    Args:
        connection: An open write transaction.
        at: The time of the import.
        claim: The digest of the document that lists the archive's images.
        source: The name of the input.
        images: The names of each image or manifest, by its ID or digest.
        changed: Whether the import changed the store.
        operation: The ID of the operation.
    """
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
    """An event in the life of an image: import, save, tag, untag, delete or another action.

    Attributes:
        at: Time of the event.
        action: Name of the action, such as "import".
        target: ID of the image, digest of the manifest, or name.
        attributes: Facts that depend on the action.
    """

    at: datetime
    action: str
    target: str
    attributes: Mapping[str, str] = field(default_factory=dict)
