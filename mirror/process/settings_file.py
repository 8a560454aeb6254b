"""Settings from a file that is read again on SIGHUP; an invalid file changes nothing."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Generic, TypeVar, final

from store.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

logger = logging.getLogger(__name__)

T = TypeVar("T")


@final
class SettingsFile(Generic[T]):
    """The settings of a server that can change while it runs.

    Args:
        value: The settings at the start.
        reread: Reads the file; returns the new settings, and the names of changed settings that
            need a restart. It raises StoreError if the file is invalid. None if there is no file.

    Attributes:
        value: The settings in effect.
    """

    def __init__(
        self, value: T, reread: Callable[[], tuple[T, Sequence[str]]] | None = None
    ) -> None:
        self.value = value
        self._reread = reread

    def refresh(self, *, logs: bool) -> None:
        """Read the file, if there is one.

        Args:
            logs: Whether to log the result. One process of a server does.
        """
        if self._reread is None:
            return
        try:
            value, waiting = self._reread()
        except StoreError as exc:
            if logs:
                logger.warning("cannot load the new settings: %s", exc.message)
            return
        self.value = value
        if not logs:
            return
        logger.info("loaded the new settings")
        if waiting:
            logger.warning("these settings need a restart: %s", ", ".join(waiting))
