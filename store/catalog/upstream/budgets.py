"""How many requests registries have announced; syncs and servers share it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete, insert, select

from store.db.upstream_schema import registry_budget

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection


class AnnouncedBudget(NamedTuple):
    """What a registry has announced.

    Attributes:
        registry: The registry as references name it.
        remaining: How many more requests it takes.
        ceiling: How many it takes in a window; None if it did not say.
        noted_at: When it announced that.
        until: How long that counts.
    """

    registry: str
    remaining: int
    ceiling: int | None
    noted_at: datetime
    until: datetime


def get(connection: Connection, registry: str) -> AnnouncedBudget | None:
    """Return what a registry has announced last; None if it has announced nothing.

    Args:
        connection: A read unit.
        registry: The registry.
    """
    columns = (getattr(registry_budget.c, name) for name in AnnouncedBudget._fields)
    row = connection.execute(
        select(*columns).where(registry_budget.c.registry == registry)
    ).one_or_none()
    return None if row is None else AnnouncedBudget(*row)


def put(connection: Connection, budget: AnnouncedBudget) -> None:
    """Remember what a registry has announced, unless something newer is known.

    Args:
        connection: A write unit.
        budget: What it has announced.
    """
    known = get(connection, budget.registry)
    if known is not None and known.noted_at > budget.noted_at:
        return
    connection.execute(delete(registry_budget).where(registry_budget.c.registry == budget.registry))
    connection.execute(insert(registry_budget).values(**budget._asdict()))
