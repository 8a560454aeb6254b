"""The last scheduled run of each sync."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete, insert, select

from store.db.upstream_schema import sync_run

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy import Connection

MAX_SYNCS = 256
"""The most syncs that are looked up at once."""


class SyncRun(NamedTuple):
    """The last run of a sync that a server ran.

    Attributes:
        sync: The name of the sync.
        run: The name of the run in the log of references; empty if it did not come that far.
        began_at: When it began.
        ended_at: When it ended.
        succeeded_at: When the last run without a failure ended; None if there was none.
        exit_code: The exit code, 0 without a failure.
        images: How many images it looked at.
        moved: How many of them it pulled, sent or untagged.
        failed: How many of them failed.
        size_bytes: How many bytes it transferred.
        failures: How many runs in a row have failed, this one included.
    """

    sync: str
    run: str
    began_at: datetime
    ended_at: datetime
    succeeded_at: datetime | None
    exit_code: int
    images: int
    moved: int
    failed: int
    size_bytes: int
    failures: int


def last_runs(connection: Connection, syncs: Iterable[str]) -> dict[str, SyncRun]:
    """Return the last runs of some syncs, by the name of the sync.

    Args:
        connection: A read unit.
        syncs: The names of the syncs, at most `MAX_SYNCS`.
    """
    columns = [getattr(sync_run.c, name) for name in SyncRun._fields]
    rows = connection.execute(select(*columns).where(sync_run.c.sync.in_(list(syncs))))
    return {row[0]: SyncRun(*row) for row in rows}


def put(connection: Connection, run: SyncRun) -> None:
    """Remember a run in place of the last one of its sync.

    Args:
        connection: A write unit.
        run: The run.
    """
    # There is one writer at a time, so no other one inserts the row in between.
    connection.execute(delete(sync_run).where(sync_run.c.sync == run.sync))
    connection.execute(insert(sync_run).values(**run._asdict()))
