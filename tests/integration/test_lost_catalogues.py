"""A store whose catalogue is lost is refused by every command, and stays as it is."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from tests.support.command_line import Runner
from tests.support.images import A, B, image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COMMANDS = [
    ("images",),
    ("fsck",),
    ("gc",),
    ("gc", "--dry-run"),
    ("df",),
    ("import", "{archive}"),
    ("save", "-o", "{out}", "app:1"),
    ("tag", "app:1", "app:2"),
    ("rm", "app:1"),
    ("events",),
    ("serve", "--listen", "127.0.0.1:0"),
    ("db", "upgrade"),
    ("db", "current"),
    ("db", "check"),
]


def delete(database: Path) -> None:
    database.unlink()


def empty(database: Path) -> None:
    database.write_bytes(b"")


def replace_by_another(database: Path) -> None:
    database.unlink()
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()


def overwrite(database: Path) -> None:
    database.write_bytes(b"<html>no database</html>" * 100)


@pytest.mark.parametrize("lose", [delete, empty, replace_by_another, overwrite])
def test_every_command_refuses_a_store_without_its_catalogue(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], lose: Callable[[Path], None]
) -> None:
    storectl = Runner(tmp_path / "store", capfdbinary)
    archive = tmp_path / "app.tar"
    archive.write_bytes(image(A, B, tags=("app:1",)).bytes())
    storectl("import", "-q", str(archive))
    for log in storectl.root.glob("store.db-*"):
        log.unlink()
    lose(storectl.root / "store.db")
    before = {path: path.stat().st_size for path in storectl.root.rglob("*") if path.is_file()}
    for command in COMMANDS:
        storectl(
            *(one.format(archive=archive, out=tmp_path / "out.tar") for one in command), code=5
        )
        assert "the catalogue" in storectl.err
        assert "restore store.db from a backup" in storectl.err
        assert "storectl rescue" in storectl.err
    assert before == {
        path: path.stat().st_size for path in storectl.root.rglob("*") if path.is_file()
    }
