"""Points in time that a user gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from storectl.output.units import parse_moment

if TYPE_CHECKING:
    from datetime import datetime


def moment(text: str | None, now: datetime) -> datetime | None:
    """Return the time that a user has given; None for None.

    Args:
        text: A date, Unix seconds, or an age such as ``10m``.
        now: The current time.

    Raises:
        click.UsageError: The text is not a time, or the time has not come yet.
    """
    if text is None:
        return None
    try:
        found = parse_moment(text, now)
    except ValueError as exc:
        raise click.UsageError(str(exc)) from None
    if found > now:
        raise click.UsageError(f"invalid time {text!r}: expected a time that has passed")
    return found
