"""The removal of what has expired: uploads, stray files, and old history."""

from __future__ import annotations

import asyncio
import logging
from itertools import count
from typing import TYPE_CHECKING, Final, NoReturn

from store.errors import StoreError

if TYPE_CHECKING:
    from datetime import timedelta

    from mirror.transfer.pools import Pools
    from store import Store
    from store.registry.registry import Registry

logger = logging.getLogger(__name__)

_INTERVAL_S: Final = 60.0
_EXPIRIES_PER_STRAYS: Final = 60
"""How many times uploads expire before stray files are removed again."""


async def expire(
    store: Store,
    registry: Registry,
    pools: Pools,
    *,
    keep_events: int | None = None,
    keep_events_for: timedelta | None = None,
    interval_s: float = _INTERVAL_S,
) -> NoReturn:
    """Discard idle uploads, stray files and old history at intervals, until cancelled.

    Args:
        store: The store, which is not read-only.
        registry: The registry's view of the store.
        pools: The threads that run blocking calls.
        keep_events: How many events, changes of tags and imports are kept of each; None for the
            ceilings of a collection.
        keep_events_for: How long they are kept; None for no limit.
        interval_s: The pause between two runs, in seconds.
    """

    def prune_history() -> None:
        before = None if keep_events_for is None else store.now() - keep_events_for
        removed = store.prune_events(before=before, keep=keep_events)
        if removed:
            logger.info("removed events=%d", removed)

    for run_number in count():
        try:
            expired = await pools.write(registry.uploads.expire)
            if expired:
                logger.info("expired uploads=%d", expired)
            if run_number % _EXPIRIES_PER_STRAYS == 0:
                removed = await pools.write(registry.uploads.remove_strays)
                if removed:
                    logger.info("removed stray_files=%d", removed)
                await pools.write(prune_history)
        except StoreError as exc:
            logger.warning("cannot expire uploads: %s", exc.message)
        await asyncio.sleep(interval_s)
    raise AssertionError
