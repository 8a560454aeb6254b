"""The client whose request the current task answers.

Work for clients waits in queues: for threads, and for memory. The queues are fair to clients, so
they have to know the client of each request. A context variable holds the client. Otherwise every
function between a request and a queue would have to pass the client on.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Callable


@final
@dataclass(frozen=True, slots=True)
class Client:
    """A client that waits for an answer.

    Attributes:
        networks: The networks of the client, the largest first; each level takes turns.
        has_left: Returns whether the client has closed its connection.
    """

    networks: tuple[str, ...]
    has_left: Callable[[], bool] = lambda: False


SERVER: Final = Client(("", "", ""))
"""The server itself, for work in the background."""

_CURRENT: Final = ContextVar("client", default=SERVER)


def current_client() -> Client:
    """Return the client of the current task; `SERVER` for a task of the server itself."""
    return _CURRENT.get()


def set_current_client(client: Client) -> None:
    """Set the client of the current task, and of the tasks that it creates from now on."""
    _CURRENT.set(client)
