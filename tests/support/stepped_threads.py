"""Two programs on one store, driven step by step.

Each program runs on its own thread. A program stops before each of its steps until the driver lets
the program continue.
"""

from __future__ import annotations

import itertools
import threading
from contextlib import contextmanager
from queue import Queue
from typing import TYPE_CHECKING, Final, final

from store.db.database import Durability

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy import Connection

    from store import Store
    from store.model import actors

    Gate = Callable[[str], None]
    Work = Callable[[Gate], object]

_STUCK_S: Final = 120


@final
class Actor:
    """A program on its own thread; ``steps`` are the names of the steps that have begun."""

    def __init__(self, work: Work) -> None:
        self.steps: list[str] = []
        self.error: BaseException | None = None
        self.result: object = None
        self.done = False
        self._go = threading.Semaphore(0)
        self._stopped: Queue[str | None] = Queue()
        self._work = work
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._before = self._stopped.get(timeout=_STUCK_S)
        self.done = self._before is None

    def _run(self) -> None:
        try:
            self.result = self._work(self._gate)
        except BaseException as exc:  # noqa: BLE001 - the driver checks it
            self.error = exc
        finally:
            self._stopped.put(None)

    def _gate(self, step: str) -> None:
        self._stopped.put(step)
        if not self._go.acquire(timeout=_STUCK_S):
            raise TimeoutError(step)

    def advance(self) -> None:
        """Let the program take its next step."""
        if self.done:
            return
        self.steps.append(self._before or "")
        self._go.release()
        self._before = self._stopped.get(timeout=_STUCK_S)
        self.done = self._before is None
        if self.done:
            self._thread.join(_STUCK_S)

    def finish(self) -> None:
        """Let the program run to its end."""
        while not self.done:
            self.advance()


def gated(store: Store, gate: Gate) -> Store:
    """Make the store stop before each of its write units; return the store."""
    ungated = store.write

    @contextmanager
    def write(
        owner: str = "storectl",
        durability: Durability = Durability.SYNCED,
        *,
        actor: actors.Actor | None = None,
    ) -> Iterator[Connection]:
        gate(owner.partition("-")[0])
        with ungated(owner, durability, actor=actor) as connection:
            yield connection

    ungated_operation = store.write_operation

    @contextmanager
    def write_operation(operation_id: str) -> Iterator[Connection]:
        gate(operation_id.partition("-")[0])
        with ungated_operation(operation_id) as connection:
            yield connection

    store.write = write  # type: ignore[method-assign]
    store.write_operation = write_operation  # type: ignore[method-assign]
    return store


def interleavings(first: int, second: int) -> Iterator[tuple[bool, ...]]:
    """Yield every order of ``first`` steps of one program (True) and ``second`` of the other."""
    for places in itertools.combinations(range(first + second), first):
        yield tuple(place in places for place in range(first + second))


def drive(one: Work, other: Work, order: Sequence[bool]) -> tuple[Actor, Actor]:
    """Run the steps of two programs in this order, then the steps that remain."""
    actors = Actor(one), Actor(other)
    for first in order:
        actors[0 if first else 1].advance()
    for actor in actors:
        actor.finish()
    return actors
