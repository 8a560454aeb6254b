"""Files that change while the server runs: renewed certificates, users and rules."""

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

WATCH_INTERVAL_S: Final = 30.0


@final
class Reloadable(Generic[T]):
    """The last valid value of some files.

    Processes that start later begin with this value, even if the files are invalid by then.

    Args:
        paths: The files.
        load: Reads the files; an error of the first call is raised to the caller.
    """

    def __init__(self, paths: Sequence[Path], load: Callable[[], T]) -> None:
        self._paths = paths
        self._load = load
        self._loaded = _states(paths)
        self.value = load()

    def refresh(self) -> StoreError | None:
        """Read the files again if they have changed.

        Returns:
            The error if the files have changed and are invalid; the value stays as it was.
        """
        states = _states(self._paths)
        if states == self._loaded:
            return None
        self._loaded = states
        try:
            self.value = self._load()
        except StoreError as exc:
            return exc
        return None


async def watch(
    subject: str,
    paths: Sequence[Path],
    apply: Callable[[], Awaitable[None]],
    reload_requested: asyncio.Event,
    *,
    interval_s: float = WATCH_INTERVAL_S,
) -> None:
    """Apply files whenever they change or a reload is requested, until cancelled.

    Invalid files (half-written ones, for example) change nothing. They are tried again when they
    have changed again.

    Args:
        subject: The name of the files' content, for the log.
        paths: The files.
        apply: Reads the files and puts them to use.
        reload_requested: Set to apply the files at once; cleared here.
        interval_s: How often to look for changes, in seconds.
    """
    applied = _states(paths)
    while True:
        try:
            async with asyncio.timeout(interval_s):
                await reload_requested.wait()
        except TimeoutError:
            pass
        is_requested = reload_requested.is_set()
        reload_requested.clear()
        states = _states(paths)
        if states == applied and not is_requested:
            continue
        try:
            await apply()
        except StoreError as exc:
            logger.warning("the new %s cannot be used: %s", subject, exc.message)
        except OSError as exc:
            # The process may be out of descriptors, which is not the fault of the files.
            logger.warning("the new %s cannot be used yet: %s", subject, exc)
            continue
        else:
            logger.info("loaded the new %s", subject)
        applied = states


def _states(paths: Sequence[Path]) -> tuple[tuple[int, int, int] | None, ...]:
    """Return modification time, size and inode of each file; None for a missing one."""
    found: list[tuple[int, int, int] | None] = []
    for path in paths:
        try:
            status = path.stat()
            found.append((status.st_mtime_ns, status.st_size, status.st_ino))
        except OSError:
            found.append(None)
    return tuple(found)
