"""The limits of what was pulled through: the tags that were not used for longest are removed.

A tag that clients use is asked for again, so it was last used when its registry was last asked for
it. While a registry cannot be asked, no time passes for its tags.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from store.catalog.collection import reachability
from store.catalog.upstream.pulled import pulled, sizes
from store.errors import StoreError, printable
from store.names import removal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from store.db.types import ContentKey
    from store.maintenance.collection import Units
    from store.model.cache_limits import CacheLimits
    from store.model.references import Reference

logger = logging.getLogger(__name__)


class Survey(NamedTuple):
    """What was pulled through, compared with limits.

    Attributes:
        expired: The tags that are beyond the limits, the one that was used last first.
        kept: How many tags are within the limits.
        kept_bytes: The size of their images, if there is a limit for it; else 0.
    """

    expired: list[Reference]
    kept: int
    kept_bytes: int


def expired(connection: Connection, limits: CacheLimits) -> list[Reference]:
    """Return the tags that are beyond the limits, the one that was used last first.

    Args:
        connection: A read unit.
        limits: The limits.
    """
    return survey(connection, limits).expired


def survey(connection: Connection, limits: CacheLimits) -> Survey:
    """Compare what was pulled through with limits.

    Args:
        connection: A read unit.
        limits: The limits.
    """
    kept = kept_bytes = 0
    newest: dict[str, datetime] = {}
    total = 0
    counted: set[ContentKey] = set()
    found: list[Reference] = []
    for one in pulled(connection):
        last_answer = newest.setdefault(one.reference.repository.domain, one.checked_at)
        is_old = limits.max_age is not None and last_answer - one.checked_at > limits.max_age
        if limits.max_bytes is not None and not is_old and total <= limits.max_bytes:
            below = sizes(connection, reachability.below(connection, one.manifest))
            total += sum(size for key, size in below.items() if key not in counted)
            counted |= below.keys()
        if is_old or (limits.max_bytes is not None and total > limits.max_bytes):
            found.append(one.reference)
        else:
            kept, kept_bytes = kept + 1, total
    return Survey(found, kept, kept_bytes)


def remove_expired(units: Units, limits: CacheLimits, now: datetime) -> int:
    """Remove the tags that are beyond the limits, and the images that have no other name.

    Args:
        units: The read and write units of a collection.
        limits: The limits.
        now: The time of the change.

    Returns:
        The number of removed tags.
    """

    def remove(connection: Connection, names: Sequence[Reference]) -> int:
        # Since the mark, clients may have used a tag, or a push may have set it.
        still = set(expired(connection, limits))
        count = 0
        for name in names:
            if name not in still:
                continue
            try:
                removal.remove(connection, str(name), force=False, prune_parents=True, now=now)
            except StoreError as exc:
                # Another image was built on this one, or an index lists it.
                logger.info("keeping %s: %s", name, printable(exc.message))
                continue
            count += 1
        return count

    return sum(units.paced(units.marked(lambda unit: expired(unit, limits)), remove))
