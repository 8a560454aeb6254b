"""Files that change while the server runs: certificates that are renewed, users that come and go."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Generic, TypeVar, final

from store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from pathlib import Path

logger = logging.getLogger(__name__)

T = TypeVar("T")

EVERY_S: Final = 30.0


@final
class Reloadable(Generic[T]):
    """What files say: as of when they last made sense.

    Processes that begin later begin with it, whatever the files are by then.

    Args:
        paths: The files.
        load: Reads them; what it raises at the beginning is raised.
    """

    def __init__(self, paths: Sequence[Path], load: Callable[[], T]) -> None:
        self._paths = paths
        self._load = load
        self._seen = _marks(paths)
        self.value = load()

    def refresh(self) -> StoreError | None:
        """Read them again when they have changed; why they make no sense now, when they do not."""
        now = _marks(self._paths)
        if now == self._seen:
            return None
        self._seen = now
        try:
            self.value = self._load()
        except StoreError as exc:
            return exc
        return None


async def watch(
    what: str,
    paths: Sequence[Path],
    take_over: Callable[[], Awaitable[None]],
    asked: asyncio.Event,
    *,
    every_s: float = EVERY_S,
) -> None:
    """Call ``take_over`` when one of ``paths`` has changed, and when ``asked`` is set, until cancelled.

    What cannot be used (half a file, say) changes nothing, and is tried again when it has changed
    again.
    """
    seen = _marks(paths)
    while True:
        try:
            async with asyncio.timeout(every_s):
                await asked.wait()
        except TimeoutError:
            pass
        was_asked = asked.is_set()
        asked.clear()
        now = _marks(paths)
        if now == seen and not was_asked:
            continue
        try:
            await take_over()
        except StoreError as exc:
            logger.warning("the new %s cannot be used: %s", what, exc.message)
        except OSError as exc:
            # No descriptor is left, say: that is no fault of the files.
            logger.warning("the new %s cannot be used yet: %s", what, exc)
            continue
        else:
            logger.info("took over the new %s", what)
        seen = now


def _marks(paths: Sequence[Path]) -> tuple[tuple[int, int, int] | None, ...]:
    found: list[tuple[int, int, int] | None] = []
    for path in paths:
        try:
            status = path.stat()
            found.append((status.st_mtime_ns, status.st_size, status.st_ino))
        except OSError:
            found.append(None)
    return tuple(found)
