"""Running operations, and the content that each operation leases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select

from store.catalog.batches import insert_rows
from store.db.schema import lease, operation

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Connection

    from store.db.types import ContentKey


def add_operation(
    connection: Connection, operation_id: str, kind: str, now: datetime, pid: int
) -> None:
    """Record a running operation.

    Args:
        connection: An open write transaction.
        operation_id: A new, unique ID.
        kind: Kind of the operation, such as "import".
        now: The current time.
        pid: ID of the process that runs the operation.
    """
    connection.execute(
        insert(operation).values(id=operation_id, kind=kind, started_at=now, pid=pid)
    )


def forget_operation(connection: Connection, operation_id: str) -> None:
    """Delete an operation that has ended, and the leases of the operation."""
    connection.execute(delete(operation).where(operation.c.id == operation_id))


def operation_ids(connection: Connection) -> tuple[str, ...]:
    """Return the ID of every operation that has a row."""
    return tuple(connection.execute(select(operation.c.id)).scalars())


def add_leases(connection: Connection, operation_id: str, keys: Iterable[ContentKey]) -> None:
    """Lease content, so that no collection deletes the content until the operation ends.

    Args:
        connection: An open write transaction.
        operation_id: ID of the operation.
        keys: Row numbers of the content; rows that the operation leases already are skipped.
    """
    wanted = set(keys)
    held = set(
        connection.execute(
            select(lease.c.content_id).where(lease.c.operation_id == operation_id)
        ).scalars()
    )
    insert_rows(
        connection,
        lease,
        ({"operation_id": operation_id, "content_id": key} for key in sorted(wanted - held)),
    )
