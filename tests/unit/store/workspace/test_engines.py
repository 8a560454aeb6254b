from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store import errors
from store.db.schema import HEAD
from store.workspace import engines
from tests.conftest import NOW
from tests.support.imports import imports, modules

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store

ENGINE = "store.db.sqlite"


def test_a_folder_without_a_store_has_no_database(tmp_path: Path) -> None:
    with pytest.raises(errors.StoreNotFound):
        engines.open_database(tmp_path, read_only=False, now=lambda: NOW)
    with pytest.raises(errors.StoreNotFound):
        engines.schema_state(tmp_path)


def test_an_upgrade_makes_a_database_that_opens(tmp_path: Path) -> None:
    assert engines.upgrade(tmp_path, now=lambda: NOW).after == HEAD
    assert engines.schema_state(tmp_path).is_current
    assert engines.drift(tmp_path) == ()
    engines.open_database(tmp_path, read_only=True, now=lambda: NOW).close()


def test_the_state_of_the_schema_is_read_without_locks(store: Store) -> None:
    with store.write("test"):
        assert engines.schema_state(store.root).is_current


def test_no_module_above_names_the_engine() -> None:
    """Imports under ``TYPE_CHECKING`` are checked too, although import-linter ignores them."""
    known = modules()
    allowed = {"store.workspace.engines"}
    naming = {
        name
        for name, targets in imports(known).items()
        if not name.startswith(ENGINE) and any(one.startswith(ENGINE) for one in targets)
    }
    assert naming == allowed


def test_a_lost_catalogue_is_refused_before_it_is_examined(tmp_path: Path) -> None:
    engines.upgrade(tmp_path, now=lambda: NOW)
    assert list(engines.examine(tmp_path)) == []
    (tmp_path / "store.db").unlink()
    (tmp_path / "blobs" / "sha256").mkdir(parents=True)
    with pytest.raises(errors.IntegrityError, match="is missing"):
        engines.examine(tmp_path)
