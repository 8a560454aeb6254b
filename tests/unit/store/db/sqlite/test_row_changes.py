from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.catalog import naming, serving
from store.catalog.documents import put_documents
from store.db.all_tables import metadata
from store.db.changes import Position
from store.db.sqlite.engine import Access, make_engine, write_unit
from store.files.write_lock import WriteLock
from store.model.references import Reference
from tests.support.catalog_rows import NOW, Rows, named

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlalchemy import Connection, Engine

    from store.db.changes import Value

APP = Reference.parse("app:1")
FULL = str(APP.repository)
TIME = "2026-01-02T03:04:05.000000Z"


class Recorder:
    def __init__(self) -> None:
        self.rows: list[tuple[str, tuple[Value, ...]]] = []
        self.positions: tuple[Position, Position] | None = None

    def changed(self, kind: str, values: tuple[Value, ...]) -> None:
        self.rows.append((kind, values))

    def committed(self, connection: Connection, before: Position, after: Position) -> None:
        assert not connection.in_transaction()
        self.positions = before, after


class Units:
    """Write units of one store, each with a recorder."""

    def __init__(self, engine: Engine, lock: WriteLock) -> None:
        self._engine, self._lock = engine, lock
        self.last = Recorder()

    def __call__(self) -> AbstractContextManager[Connection]:
        self.last = Recorder()
        return write_unit(self._engine, self._lock, "test", listen=lambda: self.last)


@pytest.fixture
def unit(tmp_path: Path) -> Iterator[Units]:
    engine = make_engine(tmp_path / "some.db", Access.CREATE)
    metadata.create_all(engine)
    yield Units(engine, WriteLock(tmp_path / "write.lock"))
    engine.dispose()


def test_rows_are_reported_with_digests_and_names(unit: Units) -> None:
    with unit() as connection:
        rows = Rows(connection)
        put_documents(connection, {named("m"): b"m"})
        key = rows.manifest("m", rows.image("i"))
        naming.set_tags(connection, {APP: key}, now=NOW, operation="test")
    digest = str(named("m"))
    assert [row for row in unit.last.rows if row[0] in ("document", "tag", "held")] == [
        ("document", (digest, b"m")),
        ("tag", (FULL, "1", digest, TIME)),
        ("held", (FULL, digest, None)),
    ]
    assert unit.last.positions is not None
    before, after = unit.last.positions
    assert before == (0, 0)
    assert after.content >= 2
    assert after.references == 1


def test_removed_rows_are_reported(unit: Units) -> None:
    with unit() as connection:
        rows = Rows(connection)
        key = rows.manifest("m")
        naming.set_tags(connection, {APP: key}, now=NOW, operation="test")
    with unit() as connection:
        connection.exec_driver_sql("DELETE FROM reference")
        naming.keep(connection, key, now=NOW)
    digest = str(named("m"))
    assert unit.last.rows == [("tag", (FULL, "1", None, None)), ("kept", (digest, TIME))]
    with unit() as connection:
        naming.drop(connection, (key,))
    assert unit.last.rows == [("dropped", (digest,)), ("released", (FULL, digest))]


def test_blobs_of_repositories_are_not_reported(unit: Units) -> None:
    with unit() as connection:
        rows = Rows(connection)
        (repository,) = serving.ensure_repositories(connection, [APP.repository]).values()
        blob = rows.blob("layer")
        serving.hold(connection, repository, blob, fresh_at=NOW)
    assert unit.last.rows == []
    with unit() as connection:
        serving.hold_pushed(connection, repository, (blob,))
    assert unit.last.rows == []


def test_content_that_becomes_a_manifest_is_reported_as_held(unit: Units) -> None:
    with unit() as connection:
        (repository,) = serving.ensure_repositories(connection, [APP.repository]).values()
        serving.hold(connection, repository, Rows(connection).blob("m"))
    with unit() as connection:
        Rows(connection).manifest("m")
    assert ("held", (FULL, str(named("m")), None)) in unit.last.rows


def test_a_unit_that_is_rolled_back_is_not_committed(unit: Units) -> None:
    with pytest.raises(RuntimeError), unit() as connection:
        Rows(connection).manifest("m")
        raise RuntimeError
    assert unit.last.positions is None
    with unit():
        pass
    assert unit.last.positions == (Position(), Position())


def test_triggers_are_not_in_the_file(unit: Units, tmp_path: Path) -> None:
    with unit() as connection:
        Rows(connection).manifest("m")
    other = make_engine(tmp_path / "some.db", Access.READ_WRITE)
    with other.connect() as connection:
        query = "SELECT count(*) FROM sqlite_master WHERE type = 'trigger'"
        assert connection.exec_driver_sql(query).scalar() == 0
    other.dispose()
