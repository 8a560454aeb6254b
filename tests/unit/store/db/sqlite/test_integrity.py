"""SQLite's own check of a database that may be malformed anywhere."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from store import Store
from store.db.faults import FaultKind
from store.db.sqlite import integrity
from store.db.sqlite.engine import DATABASE
from store.db.sqlite.location import LOG
from store.errors import IntegrityError
from tests.support.checked_stores import tampered
from tests.support.images import A
from tests.support.interrupted_changes import interrupt_change
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the folder of a store with an image, which nobody has open."""
    with Store.open(tmp_path / "s", create=True) as store:
        put_image(store, A, tags=("x:1",), labels={"stage": "prod"})
    return tmp_path / "s"


def kinds(root: Path) -> set[FaultKind]:
    return {fault.kind for fault in integrity.faults(root)}


def page_of(root: Path, name: str) -> int:
    with closing(sqlite3.connect(root / DATABASE)) as connection:
        row = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,))
        return int(row.fetchone()[0])


def test_a_sound_database_has_no_faults_and_stays_as_it_is(root: Path) -> None:
    before = (root / DATABASE).read_bytes()
    assert list(integrity.faults(root)) == []
    assert (root / DATABASE).read_bytes() == before


@pytest.mark.parametrize(
    "name",
    ["content", "reference", "label", "kept", "ix_reference_manifest_id", "alembic_version"],
)
def test_a_zeroed_page_is_found_and_the_check_goes_on(root: Path, name: str) -> None:
    data = bytearray((root / DATABASE).read_bytes())
    page = page_of(root, name)
    data[(page - 1) * 4096 : page * 4096] = bytes(4096)
    (root / DATABASE).write_bytes(data)
    with (
        Store.open(root, read_only=True)
        if name != "alembic_version"
        else closing((root / DATABASE).open("rb"))
    ):
        assert FaultKind.DATABASE in kinds(root)


@pytest.mark.parametrize("offset", [0, 16, 20, 100, 105])
def test_a_wrong_header_is_a_fault_and_no_end(root: Path, offset: int) -> None:
    data = bytearray((root / DATABASE).read_bytes())
    data[offset] ^= 0x40
    (root / DATABASE).write_bytes(data)
    assert FaultKind.DATABASE in kinds(root)


def test_a_row_that_points_nowhere_is_found(root: Path) -> None:
    with Store.open(root) as store:
        tampered(store, "UPDATE reference SET manifest_id = 999")
    (fault,) = integrity.faults(root)
    assert (fault.kind, fault.table, fault.row) == (FaultKind.BROKEN_LINK, "reference", 1)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP INDEX ix_label_key_value",
        "DROP TABLE kept",
        "ALTER TABLE image RENAME COLUMN variant TO varianu",
        "CREATE INDEX ix_more ON image (os)",
        (
            "PRAGMA writable_schema=ON; UPDATE sqlite_master SET sql = replace(sql, 'IS NOT NULL',"
            " 'IS NULL') WHERE name = 'ix_event_reader'"
        ),
    ],
)
def test_another_schema_is_found(root: Path, statement: str) -> None:
    with closing(sqlite3.connect(root / DATABASE)) as connection:
        connection.executescript(statement)
        connection.commit()
    assert FaultKind.SCHEMA in kinds(root)


def test_a_damaged_log_is_found_before_sqlite_forgets_it(root: Path) -> None:
    with closing(sqlite3.connect(root / DATABASE, isolation_level=None)) as connection:
        connection.execute("UPDATE label SET value = 'test'")
        connection.execute("UPDATE label SET value = 'demo'")
        data = bytearray((root / LOG).read_bytes())
        data[32 + 24 + 100] ^= 1
        (root / LOG).write_bytes(data)
        assert FaultKind.LOG in kinds(root)


def test_a_database_that_cannot_be_read_now_is_not_called_damaged(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorname = "SQLITE_IOERR_READ"
        raise error

    monkeypatch.setattr(sqlite3, "connect", fail)
    assert kinds(root) == {FaultKind.UNREADABLE}


def test_an_interrupted_change_is_undone_before_the_check(root: Path) -> None:
    sound = interrupt_change(root)
    assert list(integrity.faults(root)) == []
    assert (root / DATABASE).read_bytes() == sound


def test_a_catalogue_with_an_interrupted_change_is_sound(root: Path) -> None:
    interrupt_change(root)
    assert integrity.is_sound(root)


def test_a_catalogue_may_be_sound(root: Path) -> None:
    with Store.open(root, create=True) as store:
        assert integrity.is_sound(root)
        with store.write():
            pass
        assert integrity.is_sound(root)
    assert integrity.is_sound(root)


@pytest.mark.parametrize("where", [0, 1, 9])
def test_a_damaged_page_is_found(root: Path, where: int) -> None:
    with Store.open(root, create=True):
        pass
    with (root / "store.db").open("r+b") as file:
        file.seek(where * 4096)
        file.write(os.urandom(4096))
    assert not integrity.is_sound(root)


def test_another_database_is_not_sound(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    assert not integrity.is_sound(tmp_path)


def test_a_name_of_the_schema_that_is_not_utf8_is_found(root: Path) -> None:
    data = bytearray((root / DATABASE).read_bytes())
    # SQLite quotes the name in its error, which Python's driver cannot decode.
    data[data.index(b"CREATE TABLE label") + len("CREATE TA")] ^= 0x80
    (root / DATABASE).write_bytes(data)
    assert kinds(root) == {FaultKind.DATABASE}
    with pytest.raises(IntegrityError, match="not UTF-8"):
        Store.open(root)


def test_a_store_that_was_not_made_completely_has_no_faults(tmp_path: Path) -> None:
    """SQLite has made the file, and the power was cut before the tables were committed."""
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    assert (tmp_path / "store.db").stat().st_size > 0
    assert list(integrity.faults(tmp_path)) == []
