"""Points in time as the database stores them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

_EARLIEST_S: Final = -62_135_596_800
_LATEST_S: Final = 253_402_300_799

LATEST: Final = datetime.max.replace(tzinfo=UTC)


def moment(created_s: int | None) -> datetime | None:
    """Return a point in time as a datetime in UTC.

    Args:
        created_s: Seconds of Unix time, or None if the time is unknown.

    Returns:
        The datetime; None if the time is unknown or outside the years 1 to 9999.
    """
    if created_s is None or not _EARLIEST_S <= created_s <= _LATEST_S:
        return None
    return datetime.fromtimestamp(created_s, UTC)
