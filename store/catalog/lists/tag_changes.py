"""The log of references: what each tag pointed at, and which users moved it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, final

from sqlalchemy import func, select, text

from store.db.schema import OF_RUNS, content, reference_log
from store.db.types import ContentKey
from store.model.references import Reference, Repository

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy import Connection, Select

    from store.model.digests import Digest


RUN_CHARACTERS: Final = 17
"""The length of the name of a run."""

_AFTER: Final = "\U0010ffff"
"""Sorts after every other text, so that a range ends after all texts with a beginning."""

_RUN: Final = re.compile(r"sync-[0-9a-f]{12}")


def is_run(text: str) -> bool:
    """Return whether a text has the form of the name of a run of a sync."""
    return _RUN.fullmatch(text) is not None


@final
@dataclass(frozen=True, slots=True)
class LoggedChange:
    """A change of a tag.

    Attributes:
        number: The number of the change; each change has a higher number than earlier ones.
        at: The time of the change.
        reference: The tag.
        old: The manifest before the change; None if the tag did not exist.
        new: The manifest after the change; None if the tag was removed.
        operation: The name or ID of the operation that made the change.
        actor: What is known of the user: ``user`` and ``address``.
    """

    number: int
    at: datetime
    reference: Reference
    old: Digest | None
    new: Digest | None
    operation: str
    actor: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The kind of the operation, without the ID that an import has; for a sync, its run."""
        run = self.operation[:RUN_CHARACTERS]
        return run if is_run(run) else self.operation.partition("-")[0]


def changes(
    connection: Connection, name: Reference, *, limit: int | None = None, skip: int = 0
) -> tuple[LoggedChange, ...]:
    """Return the changes of a tag, or of all tags of a repository, newest first.

    Args:
        connection: An open transaction.
        name: A tag, or a repository without a tag.
        limit: The most changes to return; None for all.
        skip: The number of newest changes to leave out.
    """
    query = _changes(name).order_by(reference_log.c.id.desc()).limit(limit).offset(skip)
    return tuple(_read(row) for row in connection.execute(query))


def of_run(connection: Connection, run: str) -> tuple[LoggedChange, ...]:
    """Return the changes of all operations of a run, oldest first.

    Args:
        connection: An open transaction.
        run: The name of the run, with which the IDs of its operations begin.
    """
    query = (
        select(reference_log)
        .where(
            # The index has the operations of syncs only.
            text(OF_RUNS),
            reference_log.c.operation >= run,
            reference_log.c.operation < run + _AFTER,
        )
        .order_by(reference_log.c.id)
    )
    return tuple(_read(row) for row in connection.execute(query))


def first_after(connection: Connection, name: Reference, moment: datetime) -> LoggedChange | None:
    """Return the first change of a tag after a time; None if it has not changed since."""
    query = _changes(name).where(reference_log.c.at > moment).order_by(reference_log.c.id).limit(1)
    row = connection.execute(query).one_or_none()
    return None if row is None else _read(row)


def tags(connection: Connection, name: Repository) -> tuple[Reference, ...]:
    """Return every tag that a repository has or had, as far as changes of it are recorded."""
    query = (
        select(reference_log.c.tag)
        .where(reference_log.c.repository == str(name))
        .group_by(reference_log.c.tag)
        .order_by(reference_log.c.tag)
    )
    return tuple(Reference(name, tag) for tag in connection.execute(query).scalars())


def forgotten_before(connection: Connection) -> datetime | None:
    """Return the time before which changes may have been removed from the log; None for never."""
    oldest = select(func.min(reference_log.c.id)).scalar_subquery()
    query = select(reference_log.c.id, reference_log.c.at).where(reference_log.c.id == oldest)
    row = connection.execute(query).one_or_none()
    return None if row is None or row.id == 1 else row.at


def replaced_since(
    connection: Connection, moment: datetime
) -> tuple[dict[Digest, ContentKey], datetime | None]:
    """Return the manifests that tags have pointed at and were moved away from since a time.

    Args:
        connection: An open transaction.
        moment: The earliest time.

    Returns:
        The row number of the content of each manifest that the store still has, and the time of the
        newest of these changes.
    """
    first = _first_since(connection, moment)
    if first is None:
        return {}, None
    query = (
        select(content.c.digest, content.c.id, func.max(reference_log.c.at).label("at"))
        .join(reference_log, reference_log.c.old == content.c.digest)
        .where(reference_log.c.id >= first)
        .group_by(content.c.id)
    )
    rows = connection.execute(query).all()
    return (
        {row.digest: ContentKey(row.id) for row in rows},
        max((row.at for row in rows), default=None),
    )


def _first_since(connection: Connection, moment: datetime) -> int | None:
    """Return the number of the first change at or after a time; None if there is none."""
    key = reference_log.c.id
    low = connection.execute(select(func.min(key))).scalar()
    newest = connection.execute(select(func.max(key))).scalar()
    if low is None or newest is None:
        return None
    found: int | None = None
    # Rows have no index of their times. Their times grow with their numbers.
    high = newest + 1
    while low < high:
        middle = (low + high) // 2
        query = select(key, reference_log.c.at).where(key >= middle).order_by(key).limit(1)
        row = connection.execute(query).one_or_none()
        if row is not None and row.at < moment:
            low = row.id + 1
        else:
            found = found if row is None else row.id
            high = middle
    return found


def _changes(name: Reference) -> Select[Any]:
    query = select(reference_log).where(reference_log.c.repository == str(name.repository))
    return query if name.tag is None else query.where(reference_log.c.tag == name.tag)


def _read(row: Any) -> LoggedChange:  # noqa: ANN401 - a row has the columns of its query
    domain, _, path = row.repository.partition("/")
    return LoggedChange(
        row.id,
        row.at,
        Reference(Repository(domain, path), row.tag),
        row.old,
        row.new,
        row.operation,
        row.actor or {},
    )
