from __future__ import annotations

import io
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import exporter
from store import Store, errors
from store.db.sqlite import location
from store.db.sqlite.location import Conditions, DatabaseLocation, OpenMode
from tests.support.images import A, image
from tests.support.interrupted_changes import interrupt_change

if TYPE_CHECKING:
    from collections.abc import Iterator

WRITABLE = Conditions(
    read_only=False,
    media_read_only=False,
    folder_writable=True,
    database_writable=True,
    has_log=False,
    has_shared_memory=False,
    has_journal=False,
)
as_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can mount, and become another user"
)


@pytest.mark.parametrize(
    ("changes", "mode"),
    [
        ({}, OpenMode.WRITE),
        ({"has_log": True, "has_shared_memory": True}, OpenMode.WRITE),
        ({"read_only": True}, OpenMode.READ),
        ({"media_read_only": True, "folder_writable": False}, OpenMode.IMMUTABLE),
        (
            {
                "media_read_only": True,
                "folder_writable": False,
                "has_log": True,
                "has_shared_memory": True,
            },
            OpenMode.COPY,
        ),
        ({"folder_writable": False}, OpenMode.COPY),
        ({"folder_writable": False, "has_log": True}, OpenMode.COPY),
        ({"folder_writable": False, "has_log": True, "has_shared_memory": True}, OpenMode.READ),
        ({"database_writable": False}, OpenMode.READ),
        ({"has_journal": True}, OpenMode.WRITE),
        ({"has_journal": True, "read_only": True}, OpenMode.READ),
        ({"has_journal": True, "database_writable": False}, OpenMode.COPY),
        (
            {"has_journal": True, "media_read_only": True, "folder_writable": False},
            OpenMode.COPY,
        ),
    ],
)
def test_conditions_decide_how_a_database_is_opened(
    changes: dict[str, bool], mode: OpenMode
) -> None:
    assert replace(WRITABLE, **changes).mode() is mode


@pytest.fixture
def filled(root: Path) -> Path:
    with Store.open(root, create=True) as store:
        store.import_archive(io.BytesIO(image(A).bytes()))
    return root


@pytest.fixture
def with_log(filled: Path, tmp_path: Path) -> Path:
    """Return a store, as after a power cut, whose last change is only in the write-ahead log."""
    copy = tmp_path / "cut-off"
    with closing(sqlite3.connect(filled / "store.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(
            "INSERT INTO event (at, action, target, attributes) VALUES"
            " ('2026-01-01T00:00:00.000000Z', 'in the log', 'x', '{}')"
        )
        shutil.copytree(filled, copy)
    (copy / "store.db-shm").unlink()
    assert (copy / "store.db-wal").stat().st_size
    return copy


@contextmanager
def read_only_mount(folder: Path, at: Path) -> Iterator[Path]:
    at.mkdir()
    subprocess.run(["mount", "--bind", folder, at], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", at], check=True)
        yield at
    finally:
        subprocess.run(["umount", at], check=True)


def saved(root: Path) -> bytes:
    out = io.BytesIO()
    with Store.open(root) as store, exporter.open_save(store, ["demo:1"]) as export:
        export.write(out)
    return out.getvalue()


@as_root
def test_a_store_on_read_only_media_is_read(filled: Path, tmp_path: Path) -> None:
    expected = saved(filled)
    with read_only_mount(filled, tmp_path / "mount") as mounted:
        assert saved(mounted) == expected
        with Store.open(mounted) as store:
            assert store.read_only
            assert list(store.fsck()) == []
            with pytest.raises(errors.ReadOnlyStore):
                store.tag("demo:1", "other:1")
            assert Store.check_schema(mounted) == ()
            assert Store.schema_state(mounted).is_current


@as_root
def test_a_change_that_is_only_in_the_log_is_read(
    with_log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    with read_only_mount(with_log, tmp_path / "mount") as mounted:
        with Store.open(mounted) as store:
            assert store.read_only
            assert "in the log" in [event.action for event in store.events()]
            assert list((tmp_path / "temporary").iterdir()) != []
        assert Store.check_schema(mounted) == ()
    assert list((tmp_path / "temporary").iterdir()) == []
    assert (with_log / "store.db-wal").stat().st_size


@as_root
def test_a_change_that_was_interrupted_is_undone_in_the_copy(filled: Path, tmp_path: Path) -> None:
    sound = interrupt_change(filled)
    left = (filled / "store.db").read_bytes()
    with read_only_mount(filled, tmp_path / "mount") as mounted:
        with DatabaseLocation.at(mounted, read_only=True) as location:
            assert not location.writable
            assert location.database.read_bytes() == sound
        with Store.open(mounted) as store:
            assert list(store.fsck()) == []
    assert (filled / "store.db").read_bytes() == left


@as_root
@pytest.mark.parametrize("writer_runs", [False, True])
def test_a_user_without_write_permission_can_read(filled: Path, writer_runs: bool) -> None:
    for folder in (filled, *filled.parents):
        if folder != Path(tempfile.gettempdir()) and folder.is_relative_to(tempfile.gettempdir()):
            folder.chmod(0o755)
    (filled / "store.db").chmod(0o644)
    if writer_runs:
        holding = sqlite3.connect(filled / "store.db", isolation_level=None)
        holding.execute("UPDATE event SET target = target")
    script = (
        "import os, sys; os.setgid(65534); os.setuid(65534); from pathlib import Path; from"
        " store.db.sqlite.location import DatabaseLocation\n"
    )
    script += "with DatabaseLocation.at(Path(sys.argv[1]), read_only=False) as location:\n"
    script += (
        " import sqlite3; print(location.writable,"
        " sqlite3.connect(f'file:{location.database}?mode={location.access.value}', uri=True)"
    )
    script += ".execute('SELECT count(*) FROM image').fetchone())"
    # Load the modules first, because the user of the child process may not be able to read them.
    preload = "import ctypes, sqlite3, tempfile, shutil, time\n"
    preload += "import store.db.sqlite.location, store.files.space.scratch\n"
    done = subprocess.run(
        [sys.executable, "-c", preload + script, str(filled)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "False (1,)\n", done.stderr
    if writer_runs:
        holding.close()


def test_a_catalogue_that_changes_all_the_time_is_not_copied(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Conditions, "mode", lambda _self: OpenMode.COPY)
    counted = iter(range(100))
    monkeypatch.setattr(location, "_stamps", lambda _root: ((next(counted), 0),))
    with pytest.raises(errors.StoreBusy):
        DatabaseLocation.at(filled, read_only=True)


def test_a_copy_that_fails_leaves_nothing(
    filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(Conditions, "mode", lambda _self: OpenMode.COPY)

    def fail(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", fail)
    with pytest.raises(errors.StorageFull):
        DatabaseLocation.at(filled, read_only=True)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_log_may_vanish_while_the_conditions_are_read(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last process that closes a database removes its log, at any moment."""
    log = filled / location.LOG
    log.write_bytes(b"log")
    exists = Path.exists

    def exists_no_longer(path: Path) -> bool:
        was_there = exists(path)
        if path == log:
            log.unlink()
        return was_there

    monkeypatch.setattr(Path, "exists", exists_no_longer)
    assert isinstance(location.conditions(filled, read_only=True), Conditions)
