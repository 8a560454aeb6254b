from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from store.backup.folder_backup import FolderOptions, back_up_to_folder
from store.backup.report import FaultKind
from store.backup.repository import DAMAGED, Repository
from store.errors import StoreBusy, Unavailable
from store.model.waiting import Waiting
from tests.conftest import NOW
from tests.support.images import E
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store
    from store.backup.report import BackupReport


def back_up(store: Store, path: Path, **options: int | bool) -> BackupReport:
    return back_up_to_folder(store, path, FolderOptions(**options))  # type: ignore[arg-type]


def test_each_blob_is_copied_once(filled: Store, tmp_path: Path) -> None:
    first = back_up(filled, tmp_path / "b")
    assert (first.new_blobs, first.generation.blobs, first.generation.images) == (2, 2, 2)
    assert back_up(filled, tmp_path / "b").new_blobs == 0
    put_image(filled, E, tags=("e:1",))
    third = back_up(filled, tmp_path / "b")
    assert (third.new_blobs, third.generation.blobs) == (1, 3)
    repository = Repository.open(tmp_path / "b")
    assert len(repository.names()) == 3
    for digest, size in repository.blobs().items():
        data = repository.blob(digest).read_bytes()
        assert data == filled.blobs.path(digest).read_bytes()
        assert len(data) == size
        assert repository.blob(digest).stat().st_ino != filled.blobs.path(digest).stat().st_ino
    assert list((tmp_path / "b" / "partial").iterdir()) == []


def test_old_generations_and_their_blobs_go(filled: Store, tmp_path: Path) -> None:
    back_up(filled, tmp_path / "b")
    filled.remove("ab:1")
    filled.collect()
    repository = Repository.open(tmp_path / "b")
    assert back_up(filled, tmp_path / "b", keep=2).removed == ()
    assert len(repository.blobs()) == 2
    report = back_up(filled, tmp_path / "b", keep=1)
    assert len(report.removed) == 2
    assert report.freed_bytes > 0
    assert repository.names() == [report.generation.id]
    assert set(repository.blobs()) == set(filled.blobs.digests())


def test_a_clock_that_was_set_back_removes_no_new_generation(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = back_up(filled, tmp_path / "b").generation.id
    monkeypatch.setattr(filled, "_clock", lambda: NOW - timedelta(days=400))
    report = back_up(filled, tmp_path / "b", keep=1)
    assert report.removed == (newest,)
    assert Repository.open(tmp_path / "b").names() == [report.generation.id]


def test_lost_content_is_reported_and_listed(filled: Store, tmp_path: Path) -> None:
    missing, damaged = sorted(filled.blobs.digests())
    filled.blobs.path(missing).unlink()
    filled.blobs.path(damaged).write_bytes(b"rot")
    report = back_up(filled, tmp_path / "b")
    assert {fault.subject: fault.kind for fault in report.faults} == {
        str(missing): FaultKind.MISSING,
        str(damaged): FaultKind.DAMAGED,
    }
    assert all(fault.images for fault in report.faults)
    assert (report.generation.missing, report.generation.blobs) == (2, 0)
    repository = Repository.open(tmp_path / "b")
    assert repository.blobs() == {}
    assert all(blob.is_missing for blob in repository.listed(report.generation.id))


def test_a_blob_that_the_backup_has_is_not_missed(filled: Store, tmp_path: Path) -> None:
    back_up(filled, tmp_path / "b")
    for digest in filled.blobs.digests():
        filled.blobs.path(digest).write_bytes(b"rot")
    report = back_up(filled, tmp_path / "b")
    assert report.faults == ()
    assert report.generation.missing == 0


def test_no_generation_is_removed_after_a_fault(filled: Store, tmp_path: Path) -> None:
    before = back_up(filled, tmp_path / "b").generation.id
    put_image(filled, E, tags=("e:1",))
    for digest in filled.blobs.digests():
        filled.blobs.path(digest).write_bytes(b"rot")
    report = back_up(filled, tmp_path / "b", keep=1)
    assert len(report.faults) == 1
    assert Repository.open(tmp_path / "b").names() == [before, report.generation.id]


def test_a_damaged_blob_of_the_backup_is_replaced(filled: Store, tmp_path: Path) -> None:
    back_up(filled, tmp_path / "b")
    repository = Repository.open(tmp_path / "b")
    short, aside = sorted(repository.blobs())
    repository.blob(short).write_bytes(b"")
    path = repository.blob(aside)
    path.rename(path.with_name(path.name + DAMAGED))
    assert back_up(filled, tmp_path / "b").new_blobs == 2
    assert not path.with_name(path.name + DAMAGED).exists()
    assert path.read_bytes() == filled.blobs.path(aside).read_bytes()


def test_a_failed_backup_leaves_the_others_and_its_blobs(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = back_up(filled, tmp_path / "b")
    put_image(filled, E, tags=("e:1",))
    with monkeypatch.context() as patched:

        def fail(*_: object) -> None:
            raise Unavailable("the disk")

        patched.setattr(Repository, "publish", fail)
        with pytest.raises(Unavailable):
            back_up(filled, tmp_path / "b")
    repository = Repository.open(tmp_path / "b")
    assert repository.names() == [first.generation.id]
    report = back_up(filled, tmp_path / "b")
    assert (report.new_blobs, report.generation.blobs) == (0, 3)
    assert list((tmp_path / "b" / "partial").iterdir()) == []


def test_blobs_of_an_interrupted_backup_that_nothing_names_go(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_image(filled, E, tags=("e:1",))
    with monkeypatch.context() as patched:
        patched.setattr(Repository, "publish", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            back_up(filled, tmp_path / "b")
    filled.remove("e:1")
    filled.collect()
    back_up(filled, tmp_path / "b")
    assert len(Repository.open(tmp_path / "b").blobs()) == 2


def test_two_backups_at_once_are_refused(filled: Store, repository: Repository) -> None:
    options = FolderOptions(waiting=Waiting(0.0))
    with repository.locked(exclusive=False), pytest.raises(StoreBusy):
        back_up_to_folder(filled, repository.path, options)


def test_a_store_without_images_is_backed_up(store: Store, tmp_path: Path) -> None:
    report = back_up(store, tmp_path / "b")
    assert (report.generation.images, report.generation.blobs) == (0, 0)


@pytest.mark.parametrize("file", ["blobs.txt", "generation.json"])
@pytest.mark.parametrize("is_interrupted", [False, True])
def test_nothing_is_removed_while_another_generation_is_damaged(
    filled: Store, repository: Repository, file: str, *, is_interrupted: bool
) -> None:
    back_up(filled, repository.path)
    filled.remove("ab:1")
    filled.collect()
    one, two = repository.names()
    (repository.path / "generations" / two / file).write_bytes(b"{}")
    if is_interrupted:
        repository.new_partial("left")
    report = back_up(filled, repository.path, keep=2)
    assert [(fault.kind, fault.generations) for fault in report.faults] == [
        (FaultKind.DAMAGED, (two,))
    ]
    assert report.removed == ()
    assert repository.names() == [one, two, report.generation.id]
    assert len(repository.blobs()) == 2
    assert back_up(filled, repository.path, keep=1).removed == (one, two, report.generation.id)
