"""Upload sessions: the size of each session's file, and the time when its last bytes arrived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from sqlalchemy import bindparam, delete, func, insert, select, update

from store.db.schema import upload

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from store.db.database import Lookup


@final
@dataclass(frozen=True, slots=True)
class UploadRow:
    """The row of one upload session.

    Attributes:
        id: Unique ID, a part of the session's URL.
        repository: Full name of the repository.
        offset_bytes: Size of the session's file: the number of bytes received.
    """

    id: str
    repository: str
    offset_bytes: int


def add(connection: Connection, upload_id: str, repository: str, now: datetime) -> None:
    """Record a new upload session without bytes.

    Args:
        connection: An open write transaction.
        upload_id: A new, unique ID.
        repository: Full name of the repository.
        now: The current time.
    """
    connection.execute(
        insert(upload).values(
            id=upload_id, repository=repository, offset_bytes=0, started_at=now, touched_at=now
        )
    )


def get(connection: Connection | Lookup, upload_id: str) -> UploadRow | None:
    """Return an upload session; None if it does not exist."""
    row = connection.execute(_GET, {"upload_id": upload_id}).one_or_none()
    return None if row is None else UploadRow(row.id, row.repository, row.offset_bytes)


_GET: Final = select(upload.c.id, upload.c.repository, upload.c.offset_bytes).where(
    upload.c.id == bindparam("upload_id")
)


def advance(connection: Connection, upload_id: str, offset_bytes: int, now: datetime) -> None:
    """Record how many bytes the file of an upload session has now.

    Args:
        connection: An open write transaction.
        upload_id: ID of the session.
        offset_bytes: Size of the file in bytes.
        now: The current time.
    """
    connection.execute(
        update(upload)
        .where(upload.c.id == upload_id)
        .values(offset_bytes=offset_bytes, touched_at=now)
    )


def forget(
    connection: Connection, upload_id: str, *, untouched_since: datetime | None = None
) -> bool:
    """Delete an upload session; return whether a session was deleted.

    Args:
        connection: An open write transaction.
        upload_id: ID of the session.
        untouched_since: Delete the session only if it received its last bytes before this time.
    """
    over = delete(upload).where(upload.c.id == upload_id)
    return bool(
        connection.execute(
            over if untouched_since is None else over.where(upload.c.touched_at < untouched_since)
        ).rowcount
    )


def idle(connection: Connection, before: datetime) -> tuple[str, ...]:
    """Return the IDs of upload sessions that received no bytes since ``before``, oldest first."""
    return tuple(
        connection.execute(
            select(upload.c.id).where(upload.c.touched_at < before).order_by(upload.c.touched_at)
        ).scalars()
    )


def count(connection: Connection) -> int:
    """Return the number of upload sessions."""
    return int(connection.execute(select(func.count()).select_from(upload)).scalar_one())
