"""The announcements of registries in the catalogue of a store, for all processes and later runs."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final, final

from remote.http.budgets import Budget
from store.catalog.upstream import budgets as rows
from store.catalog.upstream.budgets import AnnouncedBudget
from store.errors import StoreError, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from remote.http.budgets import Budgets
    from store.workspace.workspace import Workspace

logger = logging.getLogger(__name__)

INTERVAL_S: Final = 10.0
"""How often a running server exchanges announcements with other processes."""


@final
class BudgetRows:
    """Exchanges announcements with other processes. Threads call its methods.

    Args:
        workspace: The opened store.
        clock: Returns the time of a clock that is never set, in seconds.
    """

    def __init__(self, workspace: Workspace, clock: Callable[[], float] = time.monotonic) -> None:
        self._workspace = workspace
        self._clock = clock
        self._last: dict[str, float] = {}

    def exchange_sometimes(self, budgets: Budgets, registry: str) -> None:
        """Do what `exchange` does, unless that was done a moment ago.

        Args:
            budgets: The announcements of this process.
            registry: The registry of interest.
        """
        now = self._clock()
        if now - self._last.get(registry, -INTERVAL_S) >= INTERVAL_S:
            self._last[registry] = now
            self.exchange(budgets, [registry])

    def exchange(self, budgets: Budgets, registries: Iterable[str]) -> None:
        """Write what was announced to this process, and read what others have written.

        An error is logged: without the rows, each process knows its own announcements.

        Args:
            budgets: The announcements of this process.
            registries: The registries of interest.
        """
        try:
            news = budgets.news()
            if news:
                with self._workspace.write("budget") as connection:
                    for name, one in news.items():
                        new = AnnouncedBudget(
                            name, one.remaining, one.ceiling, one.noted_at, one.until
                        )
                        rows.put(connection, new)
            with self._workspace.read() as connection:
                found = [rows.get(connection, name) for name in registries]
        except StoreError as exc:
            logger.warning("cannot share rate limits: %s", printable(exc.message))
            return
        for row in found:
            if row is not None:
                budgets.learn(
                    row.registry, Budget(row.remaining, row.ceiling, row.noted_at, row.until)
                )
