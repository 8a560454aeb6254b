"""The behaviour that `Database` promises, tested for every engine."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import bindparam, func, select

from store.db.database import Database, Durability
from store.db.schema import event
from store.workspace.engines import open_database
from tests.conftest import NOW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from store import Store

COUNT = select(func.count()).select_from(event)
TARGETS = select(event.c.target).where(event.c.action == bindparam("action")).order_by(event.c.id)


@pytest.fixture
def database(store: Store) -> Iterator[Database]:
    database = open_database(store.root, read_only=False, now=lambda: NOW)
    yield database
    database.close()


def add(connection: Connection, target: str = "a") -> None:
    connection.execute(event.insert().values(at=NOW, action="test", target=target, attributes={}))


def count(database: Database) -> int | None:
    with database.read() as connection:
        return connection.execute(COUNT).scalar()


@pytest.mark.parametrize("durability", Durability)
def test_a_write_unit_commits_at_its_end(database: Database, durability: Durability) -> None:
    with database.write("test", durability) as connection:
        add(connection)
    assert count(database) == 1


def test_a_write_unit_rolls_back_on_an_exception(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write("test", Durability.SYNCED) as connection:
        add(connection)
        raise RuntimeError
    assert count(database) == 0


def test_a_read_unit_sees_one_snapshot(database: Database) -> None:
    with database.read() as connection:
        assert connection.execute(COUNT).scalar() == 0
        with database.write("test", Durability.SYNCED) as writing:
            add(writing)
        assert connection.execute(COUNT).scalar() == 0
    assert count(database) == 1


def test_a_look_up_sees_the_newest_state(database: Database) -> None:
    with database.look() as lookup:
        assert lookup.execute(TARGETS, {"action": "test"}).one_or_none() is None
        assert lookup.execute(TARGETS, {"action": "test"}).scalar() is None
        with database.write("test", Durability.SYNCED) as connection:
            add(connection, "first")
        assert lookup.execute(TARGETS, {"action": "test"}).one_or_none().target == "first"
        assert lookup.execute(TARGETS, {"action": "test"}).scalar_one_or_none() == "first"
        with database.write("test", Durability.SYNCED) as connection:
            add(connection, "second")
        assert lookup.execute(TARGETS, {"action": "test"}).scalar() == "first"
        with pytest.raises(ValueError, match="unpack"):
            lookup.execute(TARGETS, {"action": "test"}).scalar_one_or_none()


def test_one_writer_waits_for_another(database: Database) -> None:
    order: list[str] = []
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with database.write("first", Durability.SYNCED):
            inside.set()
            leave.wait(60)
            order.append("first")

    holder = threading.Thread(target=hold)
    holder.start()
    assert inside.wait(60)
    threading.Timer(0.1, leave.set).start()
    with database.write("second", Durability.SYNCED):
        order.append("second")
    holder.join()
    assert order == ["first", "second"]


def test_changes_of_a_copy_do_not_reach_the_database(database: Database) -> None:
    with database.copy() as copy:
        add(copy)
        assert copy.execute(COUNT).scalar() == 1
    assert count(database) == 0


def test_the_catalogue_has_a_size(database: Database) -> None:
    assert database.size_bytes() > 0
