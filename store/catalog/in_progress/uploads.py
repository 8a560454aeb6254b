"""Upload sessions: the size of each session's file, and the time when its last bytes arrived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from sqlalchemy import Integer, bindparam, delete, func, insert, literal, select, update

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
    *,
    most: int | None = None,
    most_of_owner: int | None = None,
) -> bool:
    """Record a new upload session without bytes, if no ceiling forbids it.

    Args:
        connection: An open write transaction.
        upload_id: A new, unique ID.
        repository: Full name of the repository.
        now: The current time.
        owner: The user or network that begins the session; None if unknown.
        most: The largest number of sessions; None for no limit.
        most_of_owner: The largest number of sessions of the owner; None for no limit.

    Returns:
        Whether the session was recorded.
    """
    values = {"upload_id": upload_id, "repository": repository, "now": now, "owner": owner}
    if most is None:
        return bool(connection.execute(_ADD, values).rowcount)
    if owner is None or most_of_owner is None:
        return bool(connection.execute(_ADD_IF_FEW, {**values, "most": most}).rowcount)
    ceilings = {"most": most, "most_of_owner": most_of_owner}
    return bool(connection.execute(_ADD_IF_OWNER_HAS_FEW, {**values, **ceilings}).rowcount)


_NEW: Final = select(
    bindparam("upload_id", type_=upload.c.id.type),
    bindparam("repository", type_=upload.c.repository.type),
    literal(0),
    bindparam("now", type_=upload.c.started_at.type),
    bindparam("now", type_=upload.c.touched_at.type),
    bindparam("owner", type_=upload.c.owner.type),
)
_COLUMNS: Final = ("id", "repository", "offset_bytes", "started_at", "touched_at", "owner")
_FEW: Final = select(func.count()).select_from(upload).scalar_subquery() < bindparam(
    "most", type_=Integer()
)
_OWNER_HAS_FEW: Final = select(func.count()).select_from(upload).where(
    upload.c.owner == bindparam("owner")
).scalar_subquery() < bindparam("most_of_owner", type_=Integer())
_ADD: Final = insert(upload).from_select(_COLUMNS, _NEW)
_ADD_IF_FEW: Final = insert(upload).from_select(_COLUMNS, _NEW.where(_FEW))
_ADD_IF_OWNER_HAS_FEW: Final = insert(upload).from_select(
    _COLUMNS, _NEW.where(_FEW, _OWNER_HAS_FEW)
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
    values = {"upload_id": upload_id, "bytes": offset_bytes, "now": now}
    connection.execute(_ADVANCE, values)


_ADVANCE: Final = (
    update(upload)
    .where(upload.c.id == bindparam("upload_id"))
    .values(offset_bytes=bindparam("bytes"), touched_at=bindparam("now"))
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
    if untouched_since is None:
        return bool(connection.execute(_FORGET, {"upload_id": upload_id}).rowcount)
    idle_since = {"upload_id": upload_id, "untouched_since": untouched_since}
    return bool(connection.execute(_FORGET_IDLE, idle_since).rowcount)


_FORGET: Final = delete(upload).where(upload.c.id == bindparam("upload_id"))
_FORGET_IDLE: Final = _FORGET.where(upload.c.touched_at < bindparam("untouched_since"))


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
