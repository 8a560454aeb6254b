"""When stored bytes were last checked, and the passes of the scrubber.

A row of `content_check` holds the time of the last check. A file without a row was last checked
when it was published, because its bytes were hashed then. So neither imports nor pushes write here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, final

from sqlalchemy import and_, case, delete, func, insert, literal, or_, select, update

from store.catalog.batches import batches, insert_rows
from store.db.schema import blob, content, content_check, document, scrub
from store.db.types import ContentKey, UtcTime, inserted
from store.model.contents import ContentState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, Connection, Select

    from store.model.digests import Digest

NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The time of the last check of bytes that were never checked."""

KEPT_PASSES: Final = 100
"""How many passes are kept."""


@final
@dataclass(frozen=True, slots=True)
class Due:
    """Stored content that has to be checked.

    Attributes:
        key: The row number.
        digest: The digest of the content.
        size_bytes: The size of the content; 0 if it is not known.
        state: The state of the content: present or damaged.
        checked_at: When the bytes were last checked; `NEVER` if they never were.
        in_file: Whether the bytes are in a file.
    """

    key: ContentKey
    digest: Digest
    size_bytes: int
    state: ContentState
    checked_at: datetime
    in_file: bool


@final
@dataclass(frozen=True, slots=True)
class Pass:
    """A pass of the scrubber over the store.

    Attributes:
        number: The row number.
        started_at: When the pass began.
        before: The pass checks content that was last checked before this time.
        finished_at: When the pass ended; None if it was interrupted or is running.
        contents: The number of contents that the pass has read.
        size_bytes: The size of these contents.
        errors: The number of errors that the pass has found.
    """

    number: int
    started_at: datetime
    before: datetime
    finished_at: datetime | None
    contents: int
    size_bytes: int
    errors: int


@final
@dataclass(frozen=True, slots=True)
class CheckedContent:
    """How much of the stored content is known to be sound.

    Attributes:
        contents: The number of stored contents.
        damaged: The number of contents that are marked as damaged.
        oldest: The last check of the content that was not checked for longest; None if a content
            was never checked, or if nothing is stored.
    """

    contents: int
    damaged: int
    oldest: datetime | None


_is_marked: Final = and_(
    content.c.state == ContentState.DAMAGED.value,
    # SQLite uses the partial index `ix_content_state` only if its condition is in the statement.
    content.c.state != literal(ContentState.PRESENT.value, literal_execute=True),
)

_last_check: Final[ColumnElement[datetime]] = case(
    # A file that was published again after its last check was hashed then.
    (blob.c.created_at > content_check.c.at, blob.c.created_at),
    else_=func.coalesce(
        content_check.c.at, blob.c.created_at, literal(NEVER, UtcTime()), type_=UtcTime()
    ),
)


def _stored() -> Select[tuple[ContentKey, Digest, int, str, datetime, int | None]]:
    return (
        select(
            content.c.id,
            content.c.digest,
            content.c.size_bytes,
            content.c.state,
            _last_check.label("checked_at"),
            blob.c.content_id.label("file"),
        )
        .outerjoin(blob, blob.c.content_id == content.c.id)
        .outerjoin(document, document.c.content_id == content.c.id)
        .outerjoin(content_check, content_check.c.content_id == content.c.id)
        .where(or_(blob.c.content_id.is_not(None), document.c.content_id.is_not(None)))
    )


def _due(
    connection: Connection,
    query: Select[tuple[ContentKey, Digest, int, str, datetime, int | None]],
) -> list[Due]:
    return [
        Due(
            ContentKey(row.id),
            row.digest,
            row.size_bytes or 0,
            ContentState(row.state),
            row.checked_at,
            row.file is not None,
        )
        for row in connection.execute(query)
    ]


def marked(connection: Connection, *, before: datetime) -> list[Due]:
    """Return the stored contents that are marked as damaged, by row number.

    Args:
        connection: A read unit.
        before: Only contents that were last checked before this time.
    """
    query = _stored().where(_is_marked, _last_check < before)
    return _due(connection, query.order_by(content.c.state, content.c.id))


def due(connection: Connection, *, before: datetime, after: Due | None, limit: int) -> list[Due]:
    """Return stored contents in state present, the one that was checked longest ago first.

    Args:
        connection: A read unit.
        before: Only contents that were last checked before this time.
        after: The last content of the previous page; None for the first page.
        limit: The largest number of contents to return.
    """
    query = _stored().where(content.c.state == ContentState.PRESENT.value, _last_check < before)
    if after is not None:
        query = query.where(
            or_(
                _last_check > after.checked_at,
                and_(_last_check == after.checked_at, content.c.id > after.key),
            )
        )
    return _due(connection, query.order_by(_last_check, content.c.id).limit(limit))


def amount(connection: Connection, *, before: datetime) -> tuple[int, int]:
    """Return the number and the size of the stored contents that `due` and `marked` list.

    Args:
        connection: A read unit.
        before: Only contents that were last checked before this time.
    """
    waiting = _stored().where(_last_check < before).subquery()
    row = connection.execute(
        select(func.count(), func.sum(waiting.c.size_bytes)).select_from(waiting)
    ).one()
    return row[0], row[1] or 0


def checked(connection: Connection) -> CheckedContent:
    """Return how many contents are stored and damaged, and the oldest check."""
    stored = _stored().subquery()
    row = connection.execute(
        select(func.count(), func.min(stored.c.checked_at)).select_from(stored)
    ).one()
    return CheckedContent(row[0], damaged(connection), None if row[1] == NEVER else row[1])


def damaged(connection: Connection) -> int:
    """Return the number of contents that are marked as damaged."""
    return connection.execute(select(func.count()).where(_is_marked)).scalar() or 0


def record(connection: Connection, keys: Sequence[ContentKey], now: datetime) -> None:
    """Record that the bytes of contents were read and compared with their digests.

    Contents that were collected in the meantime are left out.

    Args:
        connection: A write unit.
        keys: The row numbers of the contents.
        now: The current time.
    """
    for some in batches(keys):
        known = set(
            connection.execute(select(content.c.id).where(content.c.id.in_(some))).scalars()
        )
        again = set(
            connection.execute(
                select(content_check.c.content_id).where(content_check.c.content_id.in_(some))
            ).scalars()
        )
        if again:
            connection.execute(
                update(content_check)
                .where(content_check.c.content_id.in_(sorted(again)))
                .values(at=now)
            )
        insert_rows(
            connection,
            content_check,
            ({"content_id": key, "at": now} for key in sorted(known - again)),
        )


def last_full_pass(connection: Connection) -> Pass | None:
    """Return the pass over everything that began last; None if there was none."""
    row = connection.execute(
        select(scrub)
        .where(scrub.c.before_at > scrub.c.started_at)
        .order_by(scrub.c.id.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    return Pass(
        row.id,
        row.started_at,
        row.before_at,
        row.finished_at,
        row.contents,
        row.size_bytes,
        row.errors,
    )


def begin_pass(connection: Connection, *, now: datetime, before: datetime) -> int:
    """Record that a pass begins; return its row number. Passes before the last 100 are removed.

    Args:
        connection: A write unit.
        now: The current time.
        before: The pass checks content that was last checked before this time.
    """
    number = inserted(
        connection.execute(
            insert(scrub).values(
                started_at=now, before_at=before, contents=0, size_bytes=0, errors=0
            )
        )
    )
    connection.execute(delete(scrub).where(scrub.c.id <= number - KEPT_PASSES))
    return number


def note_pass(
    connection: Connection,
    number: int,
    *,
    contents: int,
    size_bytes: int,
    errors: int,
    finished_at: datetime | None,
) -> None:
    """Record the progress of a pass, or its end.

    Args:
        connection: A write unit.
        number: The row number of the pass.
        contents: The number of contents that the pass has read.
        size_bytes: The size of these contents.
        errors: The number of errors that the pass has found.
        finished_at: When the pass ended; None if it has not.
    """
    connection.execute(
        update(scrub)
        .where(scrub.c.id == number)
        .values(contents=contents, size_bytes=size_bytes, errors=errors, finished_at=finished_at)
    )
