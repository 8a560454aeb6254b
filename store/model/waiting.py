"""How long a program waits for a lock that another process holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Callable

WAIT_LIMIT_S: Final = 60.0
"""How long a command waits for a lock."""

SERVER_WAIT_LIMIT_S: Final = 5.0
"""How long a request to a server waits for a lock."""

PATIENCE_S: Final = 1.0
"""How long a program waits before it reports the process that holds a lock, in seconds."""


@final
@dataclass(frozen=True, slots=True)
class Waiting:
    """How a program waits for the locks of a store.

    Attributes:
        limit_s: How long to wait for one lock, in seconds.
        on_wait: Called when the wait has taken `PATIENCE_S`, with the name of the writer that holds
            the lock and its process; empty if neither is known. None to report nothing.
    """

    limit_s: float = WAIT_LIMIT_S
    on_wait: Callable[[str], None] | None = None


WAITING: Final = Waiting()
"""How a command waits if nothing else is said."""
