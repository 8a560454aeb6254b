"""The names in the folder of the document log."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection

DOCUMENTS: Final = "documents"
"""The folder in the store's root."""

LOG: Final = "log.zst"

NEW: Final = "log.new"
"""A log that is being rewritten."""

SET_ASIDE: Final = "log.{}.zst"
"""A log whose catalogue was replaced, with the time in its name."""

_TIME: Final = "%Y%m%dT%H%M%SZ"
_SET_ASIDE: Final = re.compile(re.escape(SET_ASIDE).replace(r"\{\}", "([0-9]{8}T[0-9]{6}Z)"))


def set_aside_name(now: datetime, taken: Collection[str]) -> str:
    """Return the name of a log that is set aside now.

    Args:
        now: The current time.
        taken: The names in the folder. A log never replaces another one.
    """
    at = now.astimezone(UTC)
    while (name := SET_ASIDE.format(at.strftime(_TIME))) in taken:
        at += timedelta(seconds=1)
    return name


def set_aside_at(name: str) -> datetime | None:
    """Return when a log was set aside, from its name; None for any other file."""
    found = _SET_ASIDE.fullmatch(name)
    if found is None:
        return None
    try:
        return datetime.strptime(found[1], _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
