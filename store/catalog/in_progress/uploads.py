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
        owner: The user or network that began the session; None if unknown.
    """

    id: str
    repository: str
    offset_bytes: int
    owner: str | None = None


@final
@dataclass(frozen=True, slots=True)
class Session:
    """An upload session with the time of its last bytes.

    Attributes:
        id: Unique ID, a part of the session's URL.
        repository: Full name of the repository.
        offset_bytes: The number of bytes received.
        touched_at: The time when the session began or received its last bytes.
    """

    id: str
    repository: str
    offset_bytes: int
    touched_at: datetime


def sessions(connection: Connection) -> list[Session]:
    """Return all upload sessions, the longest idle first."""
    query = select(
        upload.c.id, upload.c.repository, upload.c.offset_bytes, upload.c.touched_at
    ).order_by(upload.c.touched_at)
    return [
        Session(row.id, row.repository, row.offset_bytes, row.touched_at)
        for row in connection.execute(query)
    ]


def add(
    connection: Connection,
    upload_id: str,
    repository: str,
    now: datetime,
    owner: str | None = None,
) -> None:
    """Record a new upload session without bytes.

    Args:
        connection: An open write transaction.
        upload_id: A new, unique ID.
        repository: Full name of the repository.
        now: The current time.
        owner: The user or network that begins the session; None if unknown.
    """
    connection.execute(
        insert(upload).values(
            id=upload_id,
            repository=repository,
            offset_bytes=0,
            started_at=now,
            touched_at=now,
            owner=owner,
        )
    )


def get(connection: Connection | Lookup, upload_id: str) -> UploadRow | None:
    """Return an upload session; None if it does not exist."""
    row = connection.execute(_GET, {"upload_id": upload_id}).one_or_none()
    return None if row is None else UploadRow(row.id, row.repository, row.offset_bytes, row.owner)


_GET: Final = select(upload.c.id, upload.c.repository, upload.c.offset_bytes, upload.c.owner).where(
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


def idle(connection: Connection, before: datetime, *, is_empty: bool = False) -> tuple[str, ...]:
    """Return the IDs of upload sessions that received no bytes since ``before``, oldest first.

    Args:
        connection: An open transaction.
        before: The time since which a session received no bytes.
        is_empty: Whether to return only sessions that never received bytes.
    """
    query = select(upload.c.id).where(upload.c.touched_at < before).order_by(upload.c.touched_at)
    return tuple(
        connection.execute(query.where(upload.c.offset_bytes == 0) if is_empty else query).scalars()
    )


def count(connection: Connection | Lookup, owner: str | None = None) -> int:
    """Return the number of upload sessions.

    Args:
        connection: An open transaction.
        owner: Count only the sessions that this owner began; None to count all.
    """
    query, values = (_COUNT, {}) if owner is None else (_COUNT_OF_OWNER, {"owner": owner})
    row = connection.execute(query, values).one_or_none()
    return 0 if row is None else int(row.uploads)


_COUNT: Final = select(func.count().label("uploads")).select_from(upload)
_COUNT_OF_OWNER: Final = _COUNT.where(upload.c.owner == bindparam("owner"))
