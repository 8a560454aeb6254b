"""When a job that an operator has scheduled runs next; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from collections.abc import Callable

_DAYS = 3
"""How many days are looked at: a time may be missing on the day on which clocks change."""


@final
@dataclass(frozen=True, slots=True)
class Schedule:
    """An interval, or times of the day.

    Attributes:
        every: The time from the beginning of a run to the next one; None with ``at``.
        at: The times of the day, in the time zone of the server.
    """

    every: timedelta | None = None
    at: tuple[time, ...] = ()

    def next_run(
        self,
        last: datetime | None,
        since: datetime,
        now: datetime,
        localized: Callable[[datetime], datetime] = datetime.astimezone,
    ) -> datetime:
        """Return when the next run is due.

        A run that was missed, because no server was running, is due at once.

        Args:
            last: When the last run began; None if there was none.
            since: When the schedule was first seen.
            now: The current time.
            localized: Returns a time in the time zone of the server; a time without a zone is one
                of the server.
        """
        if last is not None and last > now:
            # The clock was set back.
            return now
        if self.every is not None:
            return since if last is None else last + self.every
        began = since if last is None else last
        today = localized(began).date()
        return min(
            moment
            for day in range(_DAYS)
            for one in self.at
            if (moment := localized(datetime.combine(today + timedelta(day), one))) > began
        )
