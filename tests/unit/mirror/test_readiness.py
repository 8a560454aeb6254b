"""The state of the store is checked at most once in a second, and never keeps a caller waiting."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from mirror import readiness
from mirror.readiness import Readiness, State, check
from store.registry.registry import Registry
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from store import Store


class Checks:
    """Counts the checks; each waits until it is let go."""

    def __init__(self, *, is_free: bool = True) -> None:
        self.count = 0
        self.threads = set[str]()
        self.go = threading.Event()
        if is_free:
            self.go.set()

    def __call__(self) -> State:
        self.count += 1
        self.threads.add(threading.current_thread().name)
        assert self.go.wait(PATIENCE_S)
        return State(f"problem {self.count}")


def test_callers_share_one_check_in_a_second() -> None:
    checks, now = Checks(), [10.0]
    ready = Readiness(checks, lambda: now[0])

    async def ask() -> list[State]:
        first = await asyncio.gather(*(ready.state() for _ in range(20)))
        now[0] += 0.9
        first.append(await ready.state())
        now[0] += 0.2
        return [*first, await ready.state()]

    found = asyncio.run(ask())
    assert found == [State("problem 1")] * 21 + [State("problem 2")]
    assert checks.count == 2
    assert checks.threads == {"readiness"}


def test_a_check_that_hangs_is_a_problem_and_is_not_repeated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readiness, "ANSWER_LIMIT_S", 0.05)
    checks = Checks(is_free=False)
    ready = Readiness(checks)

    async def ask() -> list[State]:
        found = [await ready.state() for _ in range(5)]
        checks.go.set()
        monkeypatch.setattr(readiness, "ANSWER_LIMIT_S", PATIENCE_S)
        return [*found, await ready.state()]

    found = asyncio.run(ask())
    assert found == [State("the store does not answer")] * 5 + [State("problem 1")]
    assert checks.count == 1


def test_a_check_that_fails_is_a_problem() -> None:
    def fail() -> State:
        raise ValueError("a bug")

    assert asyncio.run(Readiness(fail).state()) == State("the store cannot be read")


def test_without_threads_the_server_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask() -> State:
        def refuse(_thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", refuse)
        return await Readiness(State).state()

    assert asyncio.run(ask()) == State("the system starts no more threads")


def test_a_store_that_can_be_used_is_no_problem(store: Store) -> None:
    for writes in (True, False):
        assert check(store, Registry(store), writes=writes) == State()


@pytest.mark.parametrize("writes", [True, False])
def test_only_a_server_that_writes_needs_the_lock(
    store: Store, monkeypatch: pytest.MonkeyPatch, writes: bool
) -> None:
    monkeypatch.setattr(store.database, "stuck_for", lambda: store.waiting.limit_s)
    problem = "another process keeps the store locked" if writes else None
    assert check(store, Registry(store), writes=writes).problem == problem


def test_a_lock_that_is_held_for_a_moment_is_no_problem(store: Store) -> None:
    with store.write("import-1"):
        assert check(store, Registry(store), writes=True) == State()


def test_a_store_that_was_moved_or_migrated_is_a_problem(store: Store) -> None:
    registry = Registry(store)
    check(store, registry, writes=True)
    moved = store.root.with_name("moved")
    store.root.rename(moved)
    assert check(store, registry, writes=True).problem == "the store cannot be read"
    moved.rename(store.root)
    with store.write("x") as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    assert check(store, registry, writes=False).problem == (
        "the store has the schema of another version"
    )


@pytest.mark.parametrize("name", ["MIN_FREE_BYTES", "MIN_FREE_FILES"])
def test_a_full_disk_is_a_problem_for_a_server_that_writes(
    store: Store, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(readiness, name, 1 << 62)
    assert check(store, Registry(store), writes=True).problem == "the disk is full"
    assert check(store, Registry(store), writes=False).problem is None
