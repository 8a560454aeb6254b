"""A write unit that changes what the store holds, with the user who causes the change."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

    from store.model.actors import Actor


@contextmanager
def change(
    unit: AbstractContextManager[Connection], actor: Actor, on_change: Callable[[], None] | None
) -> Iterator[Connection]:
    """Run a write unit on behalf of a user, and report the change before it is committed.

    Args:
        unit: The write unit.
        actor: The user who causes the change, for the events of the unit.
        on_change: Called before the commit; None to report nothing.
    """
    from store.catalog.events import acting

    with unit as connection:
        yield acting(connection, actor)
        # Before the commit: a signal during the commit must not hide that it was made.
        if on_change is not None:
            on_change()
