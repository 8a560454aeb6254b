"""The requests that registries take in a window of time, as they announce it in answers.

Docker Hub counts the manifests that a client gets, and says in each answer how many are left:
``RateLimit-Limit: 100;w=21600`` and ``RateLimit-Remaining: 76;w=21600``.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Self, final

from remote.errors import BudgetReached

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LONGEST: Final = timedelta(hours=1)
"""How long an announcement counts at most: windows slide, so requests come back bit by bit."""

MAX_REGISTRIES: Final = 1000
"""For how many registries one process remembers announcements."""

_VALUE: Final = re.compile(
    r"\s*(?P<count>[0-9]{1,9})(?![0-9])[^;]*(?:;\s*w=(?P<window>[0-9]{1,9}))?"
)
_PREFIXES: Final = ("RateLimit", "X-RateLimit")


@final
@dataclass(frozen=True, slots=True)
class Reserve:
    """The requests that are left to others.

    Attributes:
        count: Their number, or a part of the limit in percent.
        is_percent: Whether it is a part.
    """

    count: int
    is_percent: bool = False

    def of(self, ceiling: int | None) -> int:
        """Return the number of requests.

        Args:
            ceiling: How many requests the registry takes in a window; None if it did not say.
        """
        if not self.is_percent:
            return self.count
        return 0 if ceiling is None else -(-ceiling * self.count // 100)


DEFAULT_RESERVE: Final = Reserve(10, is_percent=True)


@final
@dataclass(frozen=True, slots=True)
class Budget:
    """What a registry has announced.

    Attributes:
        remaining: How many more requests it takes.
        ceiling: How many it takes in a window; None if it did not say.
        noted_at: When it announced that.
        until: How long that counts.
    """

    remaining: int
    ceiling: int | None
    noted_at: datetime
    until: datetime

    @classmethod
    def parse(cls, headers: Mapping[str, str], now: datetime) -> Self | None:
        """Return what the headers of an answer announce; None if they announce nothing.

        Args:
            headers: The headers.
            now: The current time.
        """
        for prefix in _PREFIXES:
            remaining = _VALUE.match(headers.get(f"{prefix}-Remaining", ""))
            if remaining is None:
                continue
            limit = _VALUE.match(headers.get(f"{prefix}-Limit", ""))
            window = remaining["window"] or (limit["window"] if limit is not None else None)
            seconds = LONGEST if window is None else timedelta(seconds=int(window))
            return cls(
                int(remaining["count"]),
                None if limit is None else int(limit["count"]),
                now,
                now + min(seconds, LONGEST),
            )
        return None


@final
class Budgets:
    """What registries have announced to this process, and to others. Any thread may call it.

    Args:
        reserve: The requests that are left to others.
        now: Returns the current time.
    """

    def __init__(
        self,
        reserve: Reserve = DEFAULT_RESERVE,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.reserve = reserve
        self._now = now
        self._guard = threading.Lock()
        self._known: dict[str, Budget] = {}
        self._news: set[str] = set()

    def note(self, registry: str, headers: Mapping[str, str]) -> None:
        """Remember what the headers of an answer announce.

        Args:
            registry: The registry that has answered.
            headers: The headers.
        """
        found = Budget.parse(headers, self._now())
        if found is None:
            return
        with self._guard:
            if registry in self._known or len(self._known) < MAX_REGISTRIES:
                self._known[registry] = found
                self._news.add(registry)

    def learn(self, registry: str, budget: Budget) -> None:
        """Remember what a registry has announced to another process, unless it is older."""
        with self._guard:
            known = self._known.get(registry)
            if known is None or known.noted_at < budget.noted_at:
                self._known[registry] = budget

    def news(self) -> dict[str, Budget]:
        """Return what was announced to this process since the last call."""
        with self._guard:
            names, self._news = self._news, set()
            return {name: self._known[name] for name in names}

    def check(self, registry: str) -> None:
        """Raise if a registry takes only the requests that are left to others.

        Args:
            registry: The registry as references name it.

        Raises:
            BudgetReached: It does. It may take more after some time.
        """
        with self._guard:
            known = self._known.get(registry)
        now = self._now()
        if known is None or known.until <= now:
            return
        reserve = self.reserve.of(known.ceiling)
        if known.remaining > reserve or (reserve == 0 and known.remaining > 0):
            return
        of = "" if known.ceiling is None else f" of {known.ceiling}"
        raise BudgetReached(
            f"{registry} takes {known.remaining}{of} more requests for now, and {reserve} of them"
            " are left to others",
            registry=registry,
            retry_after_s=(known.until - now).total_seconds(),
        )
