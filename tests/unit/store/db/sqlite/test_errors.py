from __future__ import annotations

import errno
import os
import resource
from typing import TYPE_CHECKING

import pytest

from store import errors
from store.db.sqlite import errors as sqlite_errors
from store.db.sqlite.errors import translated
from store.model.remedies import Remedy
from tests.support.small_disks import full_of_bytes, full_of_files, small_disk
from tests.support.sqlite_errors import BRANCHES, refused

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("name", "kind"), BRANCHES)
def test_an_error_has_its_branch_if_the_folder_takes_files(
    name: str, kind: type[Exception], tmp_path: Path
) -> None:
    assert type(translated(refused(name), tmp_path / "store.db")) is kind
    assert type(translated(refused(name), None)) is kind


def test_an_error_in_our_own_sql_stays_as_it_is(tmp_path: Path) -> None:
    error = refused("SQLITE_ERROR")
    assert translated(error, tmp_path / "store.db") is error


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, errors.StorageFull),
        (errno.EDQUOT, errors.StorageFull),
        (errno.EROFS, errors.ReadOnlyStore),
        (errno.EACCES, errors.PermissionDenied),
        (errno.EIO, errors.Unavailable),
        (errno.EMFILE, errors.Unavailable),
    ],
)
@pytest.mark.parametrize("name", ["SQLITE_IOERR_WRITE", "SQLITE_CANTOPEN", "SQLITE_IOERR_SHMOPEN"])
def test_what_the_folder_lacks_is_the_cause_of_a_failed_write(
    number: int,
    kind: type[Exception],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = OSError(number, os.strerror(number))
    monkeypatch.setattr(sqlite_errors, "obstacle", lambda _folder: found)
    error = translated(refused(name), tmp_path / "store.db")
    assert type(error) is kind
    assert isinstance(error, errors.StoreError)
    assert os.strerror(number) in error.message


def test_a_read_that_fails_is_no_matter_of_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = OSError(errno.ENOSPC, "full")
    monkeypatch.setattr(sqlite_errors, "obstacle", lambda _folder: found)
    error = translated(refused("SQLITE_IOERR_READ"), tmp_path / "store.db")
    assert type(error) is errors.Unavailable


def test_a_full_disk_is_the_cause_of_an_io_error(tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        full_of_bytes(disk)
        error = translated(refused("SQLITE_IOERR_WRITE"), disk / "store.db")
    assert isinstance(error, errors.StorageFull)
    assert error.remedy is Remedy.COLLECT_GARBAGE


def test_a_lack_of_inodes_is_no_lack_of_permission(tmp_path: Path) -> None:
    with small_disk(tmp_path, files=40) as disk:
        full_of_files(disk)
        error = translated(refused("SQLITE_CANTOPEN"), disk / "store.db")
    assert isinstance(error, errors.StorageFull)
    assert "inode" in error.message


def test_a_limit_on_the_size_of_files_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "store.db-wal").write_bytes(bytes(8192))
    name, database = "SQLITE_IOERR_WRITE", tmp_path / "store.db"
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (10_000, 10_000))
    error = translated(refused(name), database)
    assert isinstance(error, errors.StorageFull)
    assert error.remedy is None
    assert "limit" in (error.hint or "")
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (1_000_000, 1_000_000))
    assert type(translated(refused(name), database)) is errors.Unavailable
