"""Notes of the registry beside its answers."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from store.errors import Unavailable, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)


@contextmanager
def tolerating_failed_notes() -> Iterator[None]:
    """Log an Unavailable error of the block, and suppress it.

    Use this for notes that are written beside an answer: a full disk must not prevent the answer.
    """
    try:
        yield
    except Unavailable as exc:
        logger.warning("%s", printable(exc.message))
