from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from store.backup import blob_copier, folders
from store.backup.folder_backup import FolderOptions, back_up_to_folder
from store.backup.repository import Repository
from store.errors import Conflict, StorageFull, Unavailable
from store.files import kernel_copy

if TYPE_CHECKING:
    from store import Store
    from store.backup.report import BackupReport


def back_up(store: Store, path: Path, **options: int | bool) -> BackupReport:
    return back_up_to_folder(store, path, FolderOptions(**options))  # type: ignore[arg-type]


def open_files() -> set[str]:
    # A thread may have closed a file between the list and the look at it.
    return {os.path.realpath(path) for path in Path("/proc/self/fd").iterdir()}


@pytest.mark.parametrize("unsynced", [0, 256])
def test_a_file_is_synced_before_it_has_its_name(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unsynced: int
) -> None:
    synced = set()
    fsync, rename = os.fsync, folders.rename

    def note(descriptor: int) -> None:
        fsync(descriptor)
        synced.add(os.fstat(descriptor).st_ino)

    def check(source: Path, target: Path) -> None:
        assert not source.is_file() or source.stat().st_ino in synced
        rename(source, target)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(folders, "rename", check)
    monkeypatch.setattr(blob_copier, "_UNSYNCED", unsynced)
    assert back_up(filled, tmp_path / "b").new_blobs == 2
    repository = Repository.open(tmp_path / "b")
    assert {repository.blob(digest).stat().st_ino for digest in repository.blobs()} <= synced
    assert {path.stat().st_ino for path in (tmp_path / "b" / "blobs" / "sha256").iterdir()} <= (
        synced
    )


def test_a_file_that_cannot_be_synced_gets_no_name(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Repository.open_or_create(tmp_path / "b")
    fsync = os.fsync

    def fail(descriptor: int) -> None:
        if len(Path(f"/proc/self/fd/{descriptor}").readlink().name) == 64:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(descriptor)

    monkeypatch.setattr(kernel_copy, "clone", lambda *_: False)
    monkeypatch.setattr(blob_copier, "require_space", lambda *_: None)
    monkeypatch.setattr(blob_copier.BlobCopier, "_clones_work", lambda *_: False)
    before = open_files()
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(Unavailable):
        back_up(filled, tmp_path / "b")
    assert Repository.open(tmp_path / "b").blobs() == {}
    assert {path for path in open_files() - before if "/b/" in path} == set()


def test_links_share_their_file(filled: Store, tmp_path: Path) -> None:
    report = back_up(filled, tmp_path / "b", link=True)
    assert report.new_blobs == 2
    for digest in filled.blobs.digests():
        assert Repository.open(tmp_path / "b").blob(digest).samefile(filled.blobs.path(digest))


def test_links_across_file_systems_are_refused(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(Conflict, match="hard links"):
        back_up(filled, tmp_path / "b", link=True)
    assert Repository.open(tmp_path / "b").names() == []


def test_shared_blocks_are_used_where_they_exist(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloned = []

    def clone(source: int, target: int) -> bool:
        cloned.append(os.write(target, os.pread(source, 1 << 20, 0)))
        return True

    monkeypatch.setattr(kernel_copy, "clone", clone)
    back_up(filled, tmp_path / "b")
    assert len(cloned) == 3  # The first is a probe.
    repository = Repository.open(tmp_path / "b")
    for digest in filled.blobs.digests():
        assert repository.blob(digest).read_bytes() == filled.blobs.path(digest).read_bytes()


def test_too_little_space_is_found_before_the_copy(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path, size_bytes: int, files: int, what: str) -> None:
        assert (folder, files, what) == (tmp_path / "b", 2, "the backup")
        assert size_bytes > 0
        raise StorageFull("full")

    monkeypatch.setattr(blob_copier, "require_space", full)
    monkeypatch.setattr(kernel_copy, "clone", lambda *_: False)
    with pytest.raises(StorageFull):
        back_up(filled, tmp_path / "b")
    assert Repository.open(tmp_path / "b").blobs() == {}
