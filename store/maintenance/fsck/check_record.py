"""The record of which contents a check has read, so that a scrub need not read them again soon."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, final

from store.catalog.checking import scrub
from store.errors import Unavailable, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.db.types import ContentKey
    from store.workspace.workspace import Workspace

logger = logging.getLogger(__name__)

WRITE_AFTER: Final = 5_000
"""How many contents are recorded at once: other writers wait about 50 ms."""


@final
class CheckRecord:
    """Writes the time of their check for contents whose bytes have their digests.

    Args:
        workspace: The store; nothing is written if it is read-only.

    Attributes:
        unwritten: The number of contents whose check could not be recorded.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.unwritten = 0
        self._workspace = workspace
        self._keys: list[ContentKey] = []
        # The bytes may have been read at any time since then.
        self._since = workspace.now()

    def add(self, keys: Sequence[ContentKey]) -> None:
        """Note contents; write the record from time to time.

        Args:
            keys: Their row numbers.
        """
        self._keys += keys
        if len(self._keys) >= WRITE_AFTER:
            self.write()

    def write(self) -> None:
        """Write what was noted. After a failure, nothing is tried again: each try may wait long."""
        keys, self._keys = self._keys, []
        since, self._since = self._since, self._workspace.now()
        if not keys or self._workspace.read_only:
            return
        if not self.unwritten:
            try:
                with self._workspace.write("fsck") as connection:
                    scrub.record(connection, keys, since)
            except Unavailable as exc:
                logger.warning("cannot record checks: %s", printable(exc.message))
            else:
                return
        self.unwritten += len(keys)
