from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from store import Store
from store.catalog.in_progress import uploads
from store.errors import TooManyUploads, Unavailable, UploadInUse, UploadNotFound
from store.model.digests import Digest
from store.registry.registry import Registry
from store.registry.upload_owner import UploadOwner
from store.registry.uploads import EMPTY_S, IDLE_S, OWNER_UPLOADS
from tests.conftest import NOW
from tests.support.registry_pushes import (
    APP,
    OTHER,
)

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Connection

    from store.registry.upload import Upload

ALICE = UploadOwner.user("alice")
MALLORY = UploadOwner.user("mallory")


def test_bytes_beyond_the_row_are_cut_off_after_a_restart(store: Store, registry: Registry) -> None:
    upload_id = registry.uploads.begin(APP)
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.write(b"safe")
    with (store.root / "uploads" / upload_id).open("ab") as file:
        file.write(b"written by a server that was killed")
    again = Registry(store).uploads
    assert again.offset(APP, upload_id) == 4
    with again.resume(APP, upload_id) as upload:
        upload.write(b" and sound")
        upload.finish(Digest.of(b"safe and sound", "sha512"))
    assert registry.blob(APP, Digest.of(b"safe and sound", "sha512")).size_bytes == 14


def test_a_file_shorter_than_its_row_continues_from_its_end(
    store: Store, registry: Registry
) -> None:
    upload_id = registry.uploads.begin(APP)
    with registry.uploads.resume(APP, upload_id) as upload:
        upload.write(b"abcdef")
    (store.root / "uploads" / upload_id).write_bytes(b"abc")
    assert registry.uploads.offset(APP, upload_id) == 3
    with registry.uploads.resume(APP, upload_id) as upload:
        assert upload.offset_bytes == 3


def test_an_upload_continues_from_an_older_row_after_a_power_cut(
    store: Store, registry: Registry
) -> None:
    upload_id = registry.uploads.begin(APP)
    for data in (b"abc", b"def"):
        with registry.uploads.resume(APP, upload_id) as upload:
            upload.write(data)
    with store.write() as connection:
        uploads.advance(connection, upload_id, 3, store.now())
    again = Registry(store).uploads
    assert again.offset(APP, upload_id) == 3
    with again.resume(APP, upload_id) as upload:
        upload.write(b"DEF")
        upload.finish(Digest.of(b"abcDEF"))
    upload_id = registry.uploads.begin(APP)
    with store.write() as connection:
        assert uploads.forget(connection, upload_id)
    with pytest.raises(UploadNotFound):
        registry.uploads.resume(APP, upload_id)


def test_only_one_request_can_write_at_a_time(registry: Registry) -> None:
    upload_id = registry.uploads.begin(APP)
    with registry.uploads.resume(APP, upload_id), pytest.raises(UploadInUse):
        registry.uploads.resume(APP, upload_id)
    registry.uploads.resume(APP, upload_id).close()


def test_an_upload_belongs_to_its_repository(registry: Registry) -> None:
    upload_id = registry.uploads.begin(APP)
    with pytest.raises(UploadNotFound):
        registry.uploads.resume(OTHER, upload_id)
    registry.uploads.cancel(APP, upload_id)
    with pytest.raises(UploadNotFound):
        registry.uploads.cancel(APP, upload_id)


@pytest.mark.parametrize("name", ["", "../store.db", "0" * 31, "g" * 32])
def test_a_malformed_name_is_an_unknown_upload(name: str, registry: Registry) -> None:
    with pytest.raises(UploadNotFound):
        registry.uploads.offset(APP, name)
    with pytest.raises(UploadNotFound):
        registry.uploads.resume(APP, name)


def test_uploads_fail_while_the_stores_folder_is_missing(store: Store, registry: Registry) -> None:
    away = store.root.with_name("away")
    store.root.rename(away)
    with pytest.raises(Unavailable):
        registry.uploads.begin(APP)
    away.rename(store.root)
    assert registry.uploads.begin(APP)


def test_an_upload_that_is_continued_during_a_sweep_stays(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = NOW
    with Store.open(root, create=True, clock=lambda: now) as store:
        registry = Registry(store)
        upload_id = registry.uploads.begin(APP)
        now = NOW + timedelta(seconds=IDLE_S + 1)
        find = uploads.idle

        def idle(
            connection: Connection, before: datetime, *, is_empty: bool = False
        ) -> tuple[str, ...]:
            found = find(connection, before, is_empty=is_empty)
            if is_empty:
                return found
            with registry.uploads.resume(APP, upload_id) as upload:
                upload.write(b"data")
            return found

        monkeypatch.setattr(uploads, "idle", idle)
        assert registry.uploads.expire() == 0
        assert registry.uploads.offset(APP, upload_id) == 4
        registry.uploads.resume(APP, upload_id).finish(Digest.of(b"data"))


def test_idle_uploads_and_stray_files_are_removed(root: Path) -> None:
    now = NOW
    with Store.open(root, create=True, clock=lambda: now) as store:
        registry = Registry(store)
        old = registry.uploads.begin(APP)
        lost = registry.uploads.begin(APP)
        (root / "uploads" / lost).unlink()
        stray = root / "uploads" / ("a" * 32)
        stray.touch()
        os.utime(stray, (now.timestamp() - 7200,) * 2)
        (root / "uploads" / "not-ours").touch()
        assert registry.uploads.expire() == 0
        assert registry.uploads.remove_strays() == 1
        now = NOW + timedelta(seconds=IDLE_S + 1)
        fresh = registry.uploads.begin(APP)
        busy = registry.uploads.resume(APP, old)
        assert registry.uploads.expire() == 1
        busy.close()
        assert registry.uploads.expire() == 1
        assert registry.uploads.offset(APP, fresh) == 0
        for gone in (old, lost):
            with pytest.raises(UploadNotFound):
                registry.uploads.offset(APP, gone)
        assert sorted(path.name for path in (root / "uploads").iterdir()) == sorted(
            [fresh, "not-ours"]
        )


def test_uploads_in_progress_have_a_largest_number(store: Store) -> None:
    registry = Registry(store, max_uploads=2)
    first = registry.uploads.begin(APP)
    registry.uploads.begin(APP)
    with pytest.raises(TooManyUploads):
        registry.uploads.begin(APP)
    registry.uploads.cancel(APP, first)
    assert registry.uploads.count() == 1
    assert registry.uploads.begin(APP)


def test_an_owner_leaves_uploads_for_others(
    store: Store, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.registry.uploads.OWNER_UPLOADS", 2)
    registry = Registry(store, max_uploads=5)
    for _ in range(2):
        first = registry.uploads.begin(APP, MALLORY)
    # A second process, or the server after a restart, counts the same uploads.
    for again in (registry, Registry(store, max_uploads=5)):
        with pytest.raises(TooManyUploads):
            again.uploads.begin(OTHER, MALLORY)
    assert len(list((root / "uploads").iterdir())) == 2
    assert registry.uploads.begin(APP, ALICE)
    assert registry.uploads.begin(APP, UploadOwner.network("10.0.0.1"))
    registry.uploads.cancel(APP, first, MALLORY)
    assert registry.uploads.begin(OTHER, MALLORY)


def test_an_owner_may_have_a_hundredth_of_many_uploads(store: Store) -> None:
    registry = Registry(store, max_uploads=100 * (OWNER_UPLOADS + 1))
    for _ in range(OWNER_UPLOADS + 1):
        registry.uploads.begin(APP, MALLORY)
    with pytest.raises(TooManyUploads):
        registry.uploads.begin(APP, MALLORY)


def test_an_upload_that_another_process_began_meanwhile_counts(
    store: Store, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, other = Registry(store, max_uploads=1), Registry(store)
    make = registry.uploads._make

    def begin_first(upload_id: str) -> Upload:
        other.uploads.begin(APP, ALICE)
        return make(upload_id)

    monkeypatch.setattr(registry.uploads, "_make", begin_first)
    with pytest.raises(TooManyUploads):
        registry.uploads.begin(APP, MALLORY)
    assert registry.uploads.count() == 1
    assert len(list((root / "uploads").iterdir())) == 1


def test_only_its_owner_finds_an_upload(registry: Registry) -> None:
    upload_id = registry.uploads.begin(APP, ALICE)
    with registry.uploads.resume(APP, upload_id, ALICE) as upload:
        upload.write(b"data")
        for stranger in (MALLORY, UploadOwner.network("10.0.0.1")):
            with pytest.raises(UploadNotFound):
                registry.uploads.offset(APP, upload_id, stranger)
            # While a request writes, too: `UploadInUse` would tell that the upload exists.
            with pytest.raises(UploadNotFound):
                registry.uploads.resume(APP, upload_id, stranger)
            with pytest.raises(UploadNotFound):
                registry.uploads.cancel(APP, upload_id, stranger)
    registry.uploads.resume(APP, upload_id, ALICE).finish(Digest.of(b"data"))


def test_an_empty_upload_ends_after_minutes(root: Path) -> None:
    now = NOW
    with Store.open(root, create=True, clock=lambda: now) as store:
        registry = Registry(store)
        empty, begun = registry.uploads.begin(APP), registry.uploads.begin(APP)
        receiving = registry.uploads.begin(APP)
        with registry.uploads.resume(APP, begun) as upload:
            upload.write(b"x")
        now = NOW + timedelta(seconds=EMPTY_S)
        assert registry.uploads.expire() == 0
        now = NOW + timedelta(seconds=EMPTY_S + 1)
        with registry.uploads.resume(APP, receiving) as upload:
            assert registry.uploads.expire() == 1
            upload.write(b"late")
        assert registry.uploads.expire() == 0
        with pytest.raises(UploadNotFound):
            registry.uploads.offset(APP, empty)
        assert registry.uploads.offset(APP, begun) == 1
        assert registry.uploads.offset(APP, receiving) == 4
