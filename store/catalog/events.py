"""History: events, and the ledger of imports.

These records hold digests as plain values, so a collection may delete content although a record
names it. No operation skips work because of these records.

Any reader can make the registry send archives. So the events of reads have a ceiling: one
event for an image and a reader in each `READ_INTERVAL`, and at most `MAX_READ_EVENTS` for a reader.
The pulls that an operator has recorded are those of one reader (`store.registry.pulls`). A
collection keeps the newest `MAX_EVENTS` of all other events.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, final

from sqlalchemy import and_, delete, func, insert, select

from store.catalog.batches import batches, insert_rows
from store.db.schema import event, import_ledger
from store.model.actors import NOBODY
from store.model.base_errors import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

    from store.model.actors import Actor
    from store.model.digests import Digest

ACTIONS: Final = ("delete", "gc", "import", "pull", "push", "save", "tag", "untag")
"""Every action that an event can have."""

MAX_EVENTS: Final = 1_000_000
"""The number of events that a collection keeps; the oldest are removed first."""

_ACTOR: Final = "storectl_actor"
"""The execution option of a connection that holds the actor of its write unit."""

READ_INTERVAL: Final = timedelta(hours=1)
"""The time in which further reads of an image by the same reader are not recorded."""

MAX_READ_EVENTS: Final = 10_000
"""The number of events that are kept for one reader; the oldest event is removed first."""


def acting(connection: Connection, actor: Actor) -> Connection:
    """Return the connection; the events that it records carry the actor's name and address.

    Args:
        connection: An open write transaction.
        actor: The user on whose behalf the store is changed.
    """
    return connection.execution_options(**{_ACTOR: actor})


def add_events(
    connection: Connection, events: Sequence[Event], *, reader: str | None = None
) -> None:
    """Append ``events`` in their order, with the actor of the write unit.

    Args:
        connection: An open write transaction.
        events: The events; their numbers are ignored.
        reader: The reader whose reads these events are; None for other events.
    """
    facts = actor_facts(connection)
    insert_rows(
        connection,
        event,
        (
            {
                "at": one.at,
                "action": one.action,
                "target": one.target,
                "attributes": {**one.attributes, **facts},
                "reader": reader,
            }
            for one in events
        ),
    )


def actor_facts(connection: Connection) -> dict[str, str]:
    """Return what is known of the user on whose behalf a write unit changes the store."""
    actor: Actor = connection.get_execution_options().get(_ACTOR, NOBODY)
    return actor.facts


def unrecorded_reads(connection: Connection, reads: Sequence[Event], *, reader: str) -> list[Event]:
    """Return the reads whose image has no event of the reader in the `READ_INTERVAL` before them.

    Args:
        connection: An open transaction.
        reads: Events of the same time.
        reader: The reader of the images.
    """
    recorded: set[str] = set()
    for batch in batches(reads):
        recorded.update(
            connection.execute(
                select(event.c.target).where(
                    event.c.reader == reader,
                    event.c.target.in_(one.target for one in batch),
                    event.c.at > batch[0].at - READ_INTERVAL,
                )
            ).scalars()
        )
    return [one for one in reads if one.target not in recorded]


def remove_old_reads(connection: Connection, *, reader: str, keep: int | None = None) -> int:
    """Remove the oldest events of a reader.

    Args:
        connection: An open write transaction.
        reader: The reader whose reads the events are.
        keep: The number of events to keep; None for `MAX_READ_EVENTS`.

    Returns:
        The number of events removed.
    """
    keep = MAX_READ_EVENTS if keep is None else keep
    count = select(func.count()).select_from(event).where(event.c.reader == reader)
    if connection.execute(count).scalar_one() <= keep:
        # Counting costs less than sorting.
        return 0
    of_reader = select(event.c.id).where(event.c.reader == reader)
    newest_removed = of_reader.order_by(event.c.id.desc()).limit(1).offset(keep).scalar_subquery()
    return connection.execute(
        delete(event).where(event.c.reader == reader, event.c.id <= newest_removed)
    ).rowcount


def remove_old_events(
    connection: Connection,
    *,
    before: datetime | None = None,
    keep: int = MAX_EVENTS,
    most: int | None = None,
) -> int:
    """Remove the oldest events.

    Args:
        connection: An open write transaction.
        before: Remove all events before this time; None for no such limit.
        keep: The number of events to keep, without the events of reads, which have a limit of
            their own.
        most: The largest number of events to remove; None for no such limit.

    Returns:
        The number of events removed.
    """
    removed = 0
    if before is not None:
        removed += _remove(connection, event.c.at < before, most)
    oldest = select(event.c.id).where(event.c.reader.is_(None)).order_by(event.c.id.desc())
    last = connection.execute(oldest.limit(1).offset(keep)).scalar()
    if last is not None:
        too_many = and_(event.c.reader.is_(None), event.c.id <= last)
        removed += _remove(connection, too_many, None if most is None else most - removed)
    return removed


def _remove(connection: Connection, condition: ColumnElement[bool], most: int | None) -> int:
    keys = select(event.c.id).where(condition).limit(most)
    return connection.execute(delete(event).where(event.c.id.in_(keys))).rowcount


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
    query = select(
        event.c.id, event.c.at, event.c.action, event.c.target, event.c.attributes
    ).order_by(event.c.id)
    if since is not None:
        query = query.where(event.c.at >= since)
    if until is not None:
        query = query.where(event.c.at <= until)
    if actions:
        query = query.where(event.c.action.in_(actions))
    if targets:
        query = query.where(event.c.target.in_(targets))
    for row in connection.execute(query):
        yield Event(row.at, row.action, row.target, row.attributes, number=row.id)


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
            source=printable(source),
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
        number: The number of a recorded event; each event has a higher number than older events.
    """

    at: datetime
    action: str
    target: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    number: int = field(default=0, compare=False)
