"""The grace of pushed blobs: how long a blob stays that no manifest lists.

A client pushes blobs first, and then the manifest that lists them. Nobody refers to the blobs in
between. A collection must not delete them, even if another client deletes an image with the same
blobs at this time. Two facts protect a blob in a repository:

1. A client has sent, mounted or looked for the blob, and since then no manifest that lists the blob
   has been pushed to the repository. Such a blob is fresh. It stays for `FRESH_S`. If the user ends
   the grace, it stays until the repository has been quiet for `QUIET_S`.
2. A push is in progress: within `QUIET_S`, a client has sent, mounted or looked for blobs of the
   repository, and no manifest has been pushed to it since. Then all its blobs stay.

So the blobs of an image that was pushed and then deleted are free at once.

The server records the activity of an upload at least every `ACTIVITY_S`, and so each time is exact
to `ACTIVITY_S`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, final

from sqlalchemy import and_, delete, exists, func, literal, or_, select

from store.catalog.batches import batches
from store.db.schema import content, encoding, operation, repository, repository_content, upload

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement, Connection, Select

    from store.db.types import ContentKey
    from store.model.digests import Digest

FRESH_S: Final = 24 * 3600
"""How long a blob stays that no manifest lists, in seconds."""

QUIET_S: Final = 300
"""How long nobody must have pushed to a repository before the grace of its blobs can be ended."""

ACTIVITY_S: Final = 60
"""How many seconds of activity in a repository may pass before the server records it again."""

_OVER: Final = timedelta(seconds=FRESH_S + 1)


@final
@dataclass(frozen=True, slots=True)
class Grace:
    """The rule for blobs that clients may be about to list in a manifest.

    Args:
        now: The time of the collection.
        is_ended: Whether the user has ended the grace of fresh blobs in quiet repositories.
    """

    now: datetime
    is_ended: bool = False

    @classmethod
    def none(cls, now: datetime) -> Grace:
        """Return a rule that protects no blob.

        Args:
            now: No recorded time is later than this time.
        """
        return cls(now + _OVER)

    def protects(self, key: ColumnElement[int]) -> ColumnElement[bool]:
        """Return the condition that the content with the row number ``key`` is protected."""
        fresh = repository_content.c.fresh_at >= self.now - timedelta(seconds=FRESH_S)
        if self.is_ended:
            fresh = and_(fresh, repository_content.c.repository_id.in_(self._active()))
        return exists(
            select(literal(1)).where(
                repository_content.c.content_id == key,
                or_(fresh, repository_content.c.repository_id.in_(self._pushing())),
            )
        )

    def end(self, fresh_at: datetime | None, active_at: datetime | None) -> datetime:
        """Return when a repository stops protecting a blob, if nothing happens until then.

        Args:
            fresh_at: The time from which the blob is fresh; None if it is not.
            active_at: The time of the last activity in the repository; None if there was none.
        """
        quiet = (active_at or self.now) + timedelta(seconds=QUIET_S)
        if fresh_at is None or self.is_ended:
            return quiet
        return max(fresh_at + timedelta(seconds=FRESH_S), quiet if active_at else fresh_at)

    def _active(self) -> Select[tuple[int]]:
        """Return the repositories to which somebody pushes, or has just pushed."""
        since = self.now - timedelta(seconds=QUIET_S)
        return select(repository.c.id).where(
            or_(
                repository.c.blobs_at >= since,
                repository.c.manifest_at >= since,
                repository.c.name.in_(_uploading(since)),
            )
        )

    def _pushing(self) -> Select[tuple[int]]:
        """Return the repositories with activity since the last manifest: pushes in progress."""
        since = self.now - timedelta(seconds=QUIET_S)
        return select(repository.c.id).where(
            or_(
                and_(
                    repository.c.blobs_at >= since,
                    or_(
                        repository.c.manifest_at.is_(None),
                        repository.c.blobs_at > repository.c.manifest_at,
                    ),
                ),
                repository.c.name.in_(_uploading(since)),
            )
        )


def _uploading(since: datetime) -> Select[tuple[str]]:
    return select(upload.c.repository).where(upload.c.touched_at >= since)


@final
@dataclass(frozen=True, slots=True)
class Protection:
    """A repository that protects a file.

    Attributes:
        repository: The full name of the repository.
        fresh_at: The time from which the blob is fresh in the repository; None if it is not.
        active_at: The time of the last push activity in the repository; None if there was none.
    """

    repository: str
    fresh_at: datetime | None
    active_at: datetime | None


def protections(
    connection: Connection, keys: Sequence[ContentKey]
) -> dict[Digest, list[Protection]]:
    """Return the repositories that hold content, by the digest of each file of the content.

    Args:
        connection: An open transaction.
        keys: Row numbers of content. Its files are the content itself, and the blobs that decode
            to it.
    """
    found: dict[Digest, list[Protection]] = {}
    stored = content.alias("stored")
    uploads = (
        select(func.max(upload.c.touched_at))
        .where(upload.c.repository == repository.c.name)
        .scalar_subquery()
    )
    columns = (
        repository.c.name,
        repository_content.c.fresh_at,
        repository.c.blobs_at,
        repository.c.manifest_at,
        uploads.label("upload_at"),
    )
    for some in batches(keys):
        own = (
            select(content.c.digest, *columns)
            .join(repository_content, repository_content.c.content_id == content.c.id)
            .join(repository, repository.c.id == repository_content.c.repository_id)
            .where(content.c.id.in_(some))
        )
        encoded = (
            select(stored.c.digest, *columns)
            .select_from(encoding)
            .join(stored, stored.c.id == encoding.c.stored_id)
            .join(repository_content, repository_content.c.content_id == encoding.c.content_id)
            .join(repository, repository.c.id == repository_content.c.repository_id)
            .where(encoding.c.content_id.in_(some))
        )
        for query in (own, encoded):
            for row in connection.execute(query):
                found.setdefault(row.digest, []).append(_protection(row))
    return found


def _protection(row: Any) -> Protection:  # noqa: ANN401 - a row has the columns of its query
    times = [at for at in (row.blobs_at, row.manifest_at, row.upload_at) if at is not None]
    return Protection(row.name, row.fresh_at, max(times, default=None))


def has_fresh(connection: Connection, grace: Grace) -> bool:
    """Return whether a grace period is running, or a client pushes.

    Args:
        connection: An open transaction.
        grace: The rule of the collection.
    """
    fresh = repository_content.c.fresh_at >= grace.now - timedelta(seconds=FRESH_S)
    since = grace.now - timedelta(seconds=QUIET_S)
    return bool(
        connection.execute(
            select(
                or_(
                    exists(select(literal(1)).where(fresh)),
                    exists(select(literal(1)).where(repository.c.blobs_at >= since)),
                    exists(_uploading(since)),
                )
            )
        ).scalar()
    )


def has_operations(connection: Connection) -> bool:
    """Return whether an operation is recorded."""
    return bool(connection.execute(select(exists(select(operation.c.id)))).scalar())


def forget_operations(connection: Connection, ids: Iterable[str] | None = None) -> int:
    """Delete operations with their leases; return how many. Call this on a copy of the catalogue.

    Args:
        connection: A transaction on a copy.
        ids: The operations to delete; None for all.
    """
    statement = delete(operation)
    if ids is not None:
        statement = statement.where(operation.c.id.in_(list(ids)))
    return connection.execute(statement).rowcount
