from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from store import Store
from store.errors import Conflict, StorageFull, StoreNotFound
from store.model.digests import Digest
from store.model.progress import Silent
from store.model.remedies import Remedy
from store.model.waiting import WAITING
from store.rescue.run import rescue
from store.workspace import engines
from tests.conftest import NOW
from tests.support.images import A, image

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_without_a_store_is_not_rescued(tmp_path: Path) -> None:
    with pytest.raises(StoreNotFound):
        rescue(tmp_path, progress=Silent(), waiting=WAITING)
    assert list(tmp_path.iterdir()) == []


def test_the_history_and_the_old_log_are_kept_aside(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "app.tar"
    path.write_bytes(image(A, tags=("app:1",)).bytes())
    with Store.open(root, create=True, clock=lambda: NOW) as store:
        store.import_archive(path)
        before = store.inspect("app:1")
    with pytest.raises(Conflict) as caught:
        rescue(root, progress=Silent(), waiting=WAITING, clock=lambda: NOW)
    assert caught.value.remedy is Remedy.REPLACE_SOUND_CATALOGUE
    report = rescue(root, progress=Silent(), waiting=WAITING, force=True, clock=lambda: NOW)
    assert (report.images, report.tags, report.layers, report.losses) == (1, 1, 1, ())
    assert report.set_aside == f"quarantine/{NOW:%Y%m%dT%H%M%SZ}-catalogue"
    assert (root / report.set_aside / "store.db").exists()
    assert (root / "documents" / f"log.{NOW:%Y%m%dT%H%M%SZ}.zst").exists()
    assert not (root / "rescue").exists()
    with Store.open(root, clock=lambda: NOW) as store:
        assert store.inspect("app:1") == before
        assert list(store.fsck()) == []
    again = rescue(root, progress=Silent(), waiting=WAITING, force=True, clock=lambda: NOW)
    assert again.set_aside == f"{report.set_aside}-2"
    assert len(list((root / "documents").glob("log.*.zst"))) == 2


def test_a_rescued_store_with_an_unknown_file_is_not_taken_for_a_copy(
    root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "app.tar"
    path.write_bytes(image(A, tags=("app:1",)).bytes())
    with Store.open(root, create=True) as store:
        store.import_archive(path)
        unknown = Digest.of(b"unknown")
        place = store.blobs.path(unknown)
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b"unknown")
    os.utime(place, (0, 0))
    (root / "store.db").unlink()
    report = rescue(root, progress=Silent(), waiting=WAITING)
    assert report.unknown_files == 1
    with Store.open(root):
        pass
    assert [record.getMessage() for record in caplog.records] == []


def test_a_catalogue_whose_log_cannot_be_merged_is_not_put_in_place(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "app.tar"
    path.write_bytes(image(A, tags=("app:1",)).bytes())
    with Store.open(root, create=True) as store:
        store.import_archive(path)
    (root / "store.db").unlink()

    def fail(folder: Path) -> None:
        assert (folder / "store.db").exists()
        raise StorageFull("no space is left")

    with monkeypatch.context() as patched:
        patched.setattr(engines, "merge_log", fail)
        with pytest.raises(StorageFull):
            rescue(root, progress=Silent(), waiting=WAITING)
    assert not (root / "store.db").exists()
    assert not (root / "rescue").exists()
    assert rescue(root, progress=Silent(), waiting=WAITING).tags == 1
