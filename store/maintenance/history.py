"""The ceilings of the history: old rows are removed in several short transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog.collection import history

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from datetime import datetime

    from sqlalchemy import Connection


def remove_old_history(
    write: Callable[[], AbstractContextManager[Connection]],
    *,
    before: datetime | None = None,
    keep: int | None = None,
) -> int:
    """Remove the oldest events, changes of tags and imports.

    Args:
        write: Returns a write unit.
        before: Remove everything before this time; None for no such limit.
        keep: The number to keep of each kind, if it is less than its ceiling; None for the
            ceilings.

    Returns:
        The number of events removed.
    """
    events = 0
    while True:
        with write() as connection:
            removed = history.remove_old(connection, before=before, keep=keep)
        events += removed.events
        if not removed.has_more:
            return events
