from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from store import Store, errors
from store.db.schema_state import SchemaState
from store.model.remedies import Remedy
from store.workspace import engines
from store.workspace.lost_catalogue import require_file, require_tables
from tests.conftest import NOW

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAMES = ("store.db", "store.db-wal")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the root of a store with one blob."""
    with Store.open(tmp_path / "store", create=True) as store:
        folder = store.root / "blobs" / "sha256" / "ab"
    folder.mkdir(parents=True)
    (folder / ("ab" * 32)).write_bytes(b"a layer")
    return folder.parents[2]


def remove(root: Path) -> None:
    for path in root.glob("store.db*"):
        path.unlink()


def empty(root: Path) -> None:
    remove(root)
    (root / "store.db").touch()


def without_tables(root: Path) -> None:
    remove(root)
    connection = sqlite3.connect(root / "store.db")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()


def foreign(root: Path) -> None:
    remove(root)
    connection = sqlite3.connect(root / "store.db")
    connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()


def garbage(root: Path) -> None:
    (root / "store.db").write_bytes(b"no database " * 1000)


LOSSES = [remove, empty, without_tables, foreign, garbage]


@pytest.mark.parametrize("lose", LOSSES)
@pytest.mark.parametrize("read_only", [False, True])
def test_a_lost_catalogue_is_never_made_anew(
    root: Path, lose: Callable[[Path], None], *, read_only: bool
) -> None:
    lose(root)
    before = (root / "store.db").exists() and (root / "store.db").read_bytes()
    for _ in range(2):
        with pytest.raises(errors.IntegrityError, match="the catalogue") as caught:
            Store.open(root, create=not read_only, read_only=read_only)
        assert caught.value.hint == "restore store.db from a backup"
        assert caught.value.remedy is Remedy.REPLACE_STORE
    assert ((root / "store.db").exists() and (root / "store.db").read_bytes()) == before


@pytest.mark.parametrize("lose", LOSSES)
@pytest.mark.parametrize("act", [Store.upgrade, Store.schema_state])
def test_the_schema_of_a_lost_catalogue_is_not_touched(
    root: Path, lose: Callable[[Path], None], act: Callable[[Path], object]
) -> None:
    lose(root)
    with pytest.raises(errors.IntegrityError, match="the catalogue"):
        act(root)


def test_a_log_beside_an_empty_database_is_kept(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "blobs").mkdir()
    (other / "store.db").touch()
    (other / "store.db-wal").write_bytes(b"frames")
    with pytest.raises(errors.IntegrityError, match=r"its log store\.db-wal is there"):
        Store.open(other, create=True)
    assert (other / "store.db-wal").read_bytes() == b"frames"


def test_the_hint_names_a_copy_from_before_an_upgrade(root: Path) -> None:
    (root / "store.db.0008-20260101T000000Z.bak").touch()
    (root / "store.db.0009-20260301T000000Z.bak").touch()
    remove(root)
    (root / "store.db.0009-20260301T000000Z.bak").touch()
    with pytest.raises(errors.IntegrityError) as caught:
        require_file(root, *NAMES)
    assert caught.value.hint == (
        "restore store.db from a backup, or copy store.db.0009-20260301T000000Z.bak to store.db as"
        " a last resort"
    )


@pytest.mark.parametrize("lose", [remove, empty, without_tables])
def test_an_interrupted_creation_goes_on(tmp_path: Path, lose: Callable[[Path], None]) -> None:
    with Store.open(tmp_path / "store", create=True) as store:
        root = store.root
    lose(root)
    Store.open(root, create=True).close()
    assert engines.schema_state(root).is_current


def test_a_database_of_another_program_without_blobs_is_not_a_lost_catalogue(
    tmp_path: Path,
) -> None:
    foreign(tmp_path)
    with pytest.raises(errors.SchemaMismatch, match="another program"):
        engines.open_database(tmp_path, read_only=False, now=lambda: NOW)
    require_tables(tmp_path, "store.db", SchemaState(None, is_foreign=True))


def test_a_file_beside_the_folders_of_blobs_is_no_content(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "blobs" / ".DS_Store").touch()
    require_file(tmp_path, *NAMES)
