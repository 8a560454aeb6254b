from __future__ import annotations

import os
import shutil
import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from store import Store
from store.backup import restore as module
from store.backup.copying import file_sha256
from store.backup.folder_backup import back_up_to_folder
from store.backup.generation import Part
from store.backup.repository import Repository
from store.backup.restore import Incomplete, restore
from store.backup.sources import FolderSource
from store.errors import Conflict, IntegrityError, StorageFull, StoreBusy, Unavailable
from tests.conftest import NOW
from tests.support.old_stores import older_store

if TYPE_CHECKING:
    from pathlib import Path

    from store.backup.report import RestoreReport


def restored(root: Path, repository: Repository, **options: Any) -> RestoreReport:  # noqa: ANN401 - of restore
    source = FolderSource(repository, repository.names()[-1])
    return restore(root, source, now=lambda: NOW, **options)


def test_the_new_store_is_the_old_one(
    filled: Store, repository: Repository, tmp_path: Path
) -> None:
    report = restored(tmp_path / "new", repository)
    assert (report.copied_blobs, report.faults) == (2, ())
    with Store.open(tmp_path / "new") as new:
        assert new.images() == filled.images()
        assert list(new.events()) == list(filled.events())
        assert list(new.fsck()) == []
        assert new.collect().blobs == ()
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    names = {entry.name for entry in (tmp_path / "new").iterdir()}
    files = {"store.db", "store.db-shm", "store.db-wal", "store.db.place", "write.lock"}
    assert names <= {"blobs", "staging", "reserve", "documents", *files}
    assert list((tmp_path / "new" / "staging").iterdir()) == []


def test_only_a_new_or_empty_folder_is_taken(
    root: Path, filled: Store, repository: Repository, tmp_path: Path
) -> None:
    del filled
    with pytest.raises(Conflict, match="there is a store"):
        restored(root, repository)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter").touch()
    with pytest.raises(Conflict, match="letter"):
        restored(tmp_path / "home", repository)
    (root / "store.db").unlink()
    with pytest.raises(Conflict):
        restored(root, repository)


def test_a_shared_store_is_restored_for_its_group(repository: Repository, tmp_path: Path) -> None:
    restored(tmp_path / "new", repository, group=os.getegid())
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o2770
    files = [path for path in (tmp_path / "new").rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o660}


def test_damage_makes_no_store_unless_it_is_accepted(
    repository: Repository, tmp_path: Path
) -> None:
    one, two = sorted(repository.blobs())
    repository.blob(one).write_bytes(b"rot")
    with pytest.raises(Incomplete) as caught:
        restored(tmp_path / "new", repository)
    assert [fault.subject for fault in caught.value.faults] == [str(one)]
    assert caught.value.faults[0].images
    with pytest.raises(Unavailable, match="has not ended"):
        Store.open(tmp_path / "new")
    with pytest.raises(Unavailable, match="has not ended"):
        Store.open(tmp_path / "new", create=True)
    report = restored(tmp_path / "new", repository, partial=True)
    assert (report.copied_blobs, len(report.faults)) == (0, 1)
    with Store.open(tmp_path / "new") as new:
        assert set(new.blobs.digests()) == {two}


def test_content_that_was_lost_before_is_no_fault_of_the_backup(
    filled: Store, tmp_path: Path
) -> None:
    lost = min(filled.blobs.digests())
    filled.blobs.path(lost).unlink()
    back_up_to_folder(filled, tmp_path / "b")
    report = restored(tmp_path / "new", Repository.open(tmp_path / "b"))
    assert report.faults == ()
    assert [fault.subject for fault in report.lost_before] == [str(lost)]


def test_an_interrupted_restore_is_continued(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(module._Target, "finish", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            restored(tmp_path / "new", repository)
    stray = tmp_path / "new" / "blobs" / "sha256" / "00"
    stray.mkdir(exist_ok=True)
    (stray / ("0" * 64)).touch()
    report = restored(tmp_path / "new", repository)
    assert report.copied_blobs == 0
    with Store.open(tmp_path / "new") as new:
        assert list(new.fsck()) == []


def test_two_restores_at_once_are_refused(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ungated = FolderSource.copy_catalogue
    seen: list[int] = []

    def copy(self: FolderSource, write: Any) -> None:  # noqa: ANN401
        if not seen:
            seen.append(1)
            with pytest.raises(StoreBusy):
                restored(tmp_path / "new", repository)
        ungated(self, write)

    monkeypatch.setattr(FolderSource, "copy_catalogue", copy)
    restored(tmp_path / "new", repository)
    assert seen


def test_too_little_space_is_found_before_the_copy(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_folder: Path, _size: int, _files: int, what: str) -> None:
        if what == "the store":
            raise StorageFull("full")

    monkeypatch.setattr(module, "require_space", full)
    with pytest.raises(StorageFull):
        restored(tmp_path / "new", repository)
    assert not any((tmp_path / "new" / "blobs").iterdir())


def test_a_catalogue_with_triggers_is_refused(repository: Repository, tmp_path: Path) -> None:
    name = repository.names()[0]
    catalogue = repository.catalogue(name)
    with closing(sqlite3.connect(catalogue)) as connection:
        connection.execute(
            "CREATE TRIGGER evil AFTER INSERT ON event BEGIN DELETE FROM reference; END"
        )
    source = FolderSource(repository, name)
    part = Part(catalogue.stat().st_size, file_sha256(catalogue))
    object.__setattr__(source.generation, "catalogue", part)
    with pytest.raises(IntegrityError, match="evil"):
        restore(tmp_path / "new", source, now=lambda: NOW)
    with pytest.raises(Unavailable):
        Store.open(tmp_path / "new")


def test_an_older_catalogue_is_upgraded_when_the_store_is_opened(
    filled: Store, repository: Repository, tmp_path: Path
) -> None:
    old = older_store(filled.root, tmp_path / "old", "0009", tmp_path / "scripts")
    with closing(sqlite3.connect(old / "store.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    source = FolderSource(repository, repository.names()[0])
    shutil.copy(old / "store.db", repository.catalogue(source.generation.id))
    catalogue = repository.catalogue(source.generation.id)
    part = Part(catalogue.stat().st_size, file_sha256(catalogue))
    object.__setattr__(source.generation, "catalogue", part)
    restore(tmp_path / "new", source, now=lambda: NOW)
    assert Store.schema_state(tmp_path / "new").current == "0009"
    with Store.open(tmp_path / "new") as new:
        assert new.images() == filled.images()
        assert list(new.fsck()) == []
    assert Store.schema_state(tmp_path / "new").is_current
