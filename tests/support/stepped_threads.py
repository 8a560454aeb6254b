"""Two programs on one store, driven step by step.

Each program runs on its own thread. A program stops before each of its steps until the driver lets
the program continue.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Run:
    """Two programs that have ended, and the order of their steps.

    Attributes:
        actors: The programs.
        order: Whose step each one was: True for the first program.
        is_free: Whether the other program could have taken its step instead.
    """

    actors: tuple[Actor, Actor]
    order: tuple[bool, ...]
    is_free: tuple[bool, ...]

    def next_order(self) -> tuple[bool, ...] | None:
        """Return the first steps of the next run; None after the last run.

        Runs follow each other as in a search in depth, so that each order of steps that the
        programs really have is run once.
        """
        for place in reversed(range(len(self.order))):
            if self.order[place] and self.is_free[place]:
                return (*self.order[:place], False)
        return None


def drive(one: Work, other: Work, order: Sequence[bool] = ()) -> Run:
    """Run two programs: first these steps, then the other steps of one program, then the rest."""
    actors = Actor(one), Actor(other)
    taken: list[bool] = []
    is_free: list[bool] = []
    while not all(actor.done for actor in actors):
        both = not any(actor.done for actor in actors)
        is_first = order[len(taken)] if len(taken) < len(order) and both else not actors[0].done
        actors[0 if is_first else 1].advance()
        taken.append(is_first)
        is_free.append(both)
    return Run(actors, tuple(taken), tuple(is_free))
