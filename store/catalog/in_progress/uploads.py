"""Uploads in progress: how far each one is, and when it was last heard of."""

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
    """One upload; its first ``offset_bytes`` bytes are in its file."""

    id: str
    repository: str
    offset_bytes: int


def add(connection: Connection, upload_id: str, repository: str, now: datetime) -> None:
    """An upload begins."""
    connection.execute(
        insert(upload).values(
            id=upload_id, repository=repository, offset_bytes=0, started_at=now, touched_at=now
        )
    )


def get(connection: Connection | Lookup, upload_id: str) -> UploadRow | None:
    """One upload; None when there is no such one."""
    row = connection.execute(_GET, {"upload_id": upload_id}).one_or_none()
    return None if row is None else UploadRow(row.id, row.repository, row.offset_bytes)


_GET: Final = select(upload.c.id, upload.c.repository, upload.c.offset_bytes).where(
    upload.c.id == bindparam("upload_id")
)


def advance(connection: Connection, upload_id: str, offset_bytes: int, now: datetime) -> None:
    """So many bytes are in its file now."""
    connection.execute(
        update(upload)
        .where(upload.c.id == upload_id)
        .values(offset_bytes=offset_bytes, touched_at=now)
    )


def forget(
    connection: Connection, upload_id: str, *, untouched_since: datetime | None = None
) -> bool:
    """The upload is over; False when it was already.

    With ``untouched_since`` only if nobody has touched it since then, and False otherwise.
    """
    over = delete(upload).where(upload.c.id == upload_id)
    return bool(
        connection.execute(
            over if untouched_since is None else over.where(upload.c.touched_at < untouched_since)
        ).rowcount
    )


def idle(connection: Connection, before: datetime) -> tuple[str, ...]:
    """Uploads that nobody has touched since ``before``."""
    return tuple(
        connection.execute(
            select(upload.c.id).where(upload.c.touched_at < before).order_by(upload.c.touched_at)
        ).scalars()
    )


def count(connection: Connection) -> int:
    """How many uploads are in progress."""
    return int(connection.execute(select(func.count()).select_from(upload)).scalar_one())
