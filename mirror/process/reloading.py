"""Files that are read again when they change: certificates, users and rules."""

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
    """A value loaded from files; while the files are invalid, the last valid value stays.

    Worker processes that are forked later begin with this value, even if the files have become
    invalid.

    Args:
        paths: Returns the files to check for changes.
        load: Reads the files and returns the value; the constructor raises the errors of the first
            call.
    """

    def __init__(self, paths: Callable[[], Sequence[Path]], load: Callable[[], T]) -> None:
        self._paths = paths
        self._load = load
        self._loaded = _states(paths())
        self.value = load()

    def refresh(self) -> StoreError | None:
        """Read the files again if they have changed.

        Returns:
            The error if the files have changed and are invalid; the value then stays unchanged.
            Otherwise None.
        """
        states = _states(self._paths())
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
    paths: Callable[[], Sequence[Path]],
    apply: Callable[[], Awaitable[None]],
    reload_requested: asyncio.Event,
    *,
    interval_s: float = WATCH_INTERVAL_S,
) -> None:
    """Apply files whenever they change or a reload is requested, until cancelled.

    Files that are invalid, such as half-written files, are ignored until they change again.

    Args:
        subject: The name of the files' content in the log, such as ``certificate``.
        paths: Returns the files to check for changes.
        apply: Reads the files and puts them into effect.
        reload_requested: The event that applies the files at once; this function clears it.
        interval_s: The interval between two checks, in seconds.
    """
    applied = _states(paths())
    while True:
        try:
            async with asyncio.timeout(interval_s):
                await reload_requested.wait()
        except TimeoutError:
            pass
        is_requested = reload_requested.is_set()
        reload_requested.clear()
        states = _states(paths())
        if states == applied and not is_requested:
            continue
        try:
            await apply()
        except StoreError as exc:
            logger.warning("cannot load the new %s: %s", subject, exc.message)
        except OSError as exc:
            # The files may be valid: the process may be out of descriptors, for example.
            logger.warning("cannot load the new %s yet: %s", subject, exc)
            continue
        else:
            logger.info("loaded the new %s", subject)
        applied = states


def _states(paths: Sequence[Path]) -> tuple[tuple[int, int, int] | None, ...]:
    """Return each file's modification time, size and inode; None if they cannot be read."""
    found: list[tuple[int, int, int] | None] = []
    for path in paths:
        try:
            status = path.stat()
            found.append((status.st_mtime_ns, status.st_size, status.st_ino))
        except OSError:
            found.append(None)
    return tuple(found)
