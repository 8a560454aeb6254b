from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from store.errors import (
    InvalidInput,
    PermissionDenied,
    ReadOnlyStore,
    StorageFull,
    StoreError,
    Unavailable,
)
from store.files.os_errors import Whose, reading_input, translate, translated
from tests.support.small_disks import full_of_files, small_disk

PATH = Path("/somewhere/file")


def os_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, StorageFull),
        (errno.EDQUOT, StorageFull),
        (errno.EFBIG, StorageFull),
        (errno.EROFS, ReadOnlyStore),
        (errno.EACCES, PermissionDenied),
        (errno.EPERM, PermissionDenied),
        (errno.EIO, Unavailable),
        (errno.EXDEV, Unavailable),
    ],
)
@pytest.mark.parametrize("whose", Whose)
def test_the_kind_of_error_depends_on_the_number_alone(
    number: int, kind: type[StoreError], whose: Whose
) -> None:
    found = translate(os_error(number), PATH, whose=whose)
    assert type(found) is kind
    assert found.message == f"{PATH}: {os.strerror(number)}"


@pytest.mark.parametrize("whose", [Whose.INPUT, Whose.OUTPUT])
@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EXDEV, errno.EIO]
)
def test_hints_about_the_users_files_do_not_speak_of_the_store(number: int, whose: Whose) -> None:
    assert "store" not in (translate(os_error(number), PATH, whose=whose).hint or "")


def test_a_forbidden_file_of_the_store_leads_to_the_stores_root() -> None:
    hint = translate(os_error(errno.EACCES), PATH).hint
    assert hint is not None
    assert "the store's root" in hint


def test_an_error_without_words_of_its_own_is_shown_as_it_is() -> None:
    assert translate(OSError("the disk has left"), PATH).message == f"{PATH}: the disk has left"


@pytest.mark.parametrize("kind", [FileNotFoundError, BrokenPipeError, InterruptedError])
def test_errors_that_only_the_caller_understands_pass_unchanged(kind: type[OSError]) -> None:
    error = kind(1, "reason")
    with pytest.raises(kind) as caught, translated(PATH):
        raise error
    assert caught.value is error


def test_the_original_error_is_the_cause() -> None:
    error = os_error(errno.ENOSPC)
    with pytest.raises(StorageFull) as caught, translated(PATH, whose=Whose.OUTPUT):
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("number", [errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP])
def test_an_input_path_without_a_file_is_invalid_input(number: int) -> None:
    with pytest.raises(InvalidInput), reading_input(PATH):
        raise os_error(number)


def test_a_forbidden_input_file_is_permission_denied() -> None:
    with pytest.raises(PermissionDenied) as caught, reading_input(PATH):
        raise os_error(errno.EACCES)
    assert "folders above" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOTDIR, "a part of this path is a file, not a folder: check the path"),
        (errno.ENAMETOOLONG, "choose a shorter name"),
        (errno.ELOOP, "symbolic links in this path lead in a circle: check the path"),
        (errno.EISDIR, None),
    ],
)
def test_a_path_that_cannot_be_a_file_is_an_error_of_the_user(
    number: int, hint: str | None
) -> None:
    for whose in Whose:
        found = translate(os_error(number), PATH, whose=whose)
        assert isinstance(found, Unavailable if whose is Whose.STORE else InvalidInput)
        assert whose is Whose.STORE or found.hint == hint


@pytest.mark.parametrize("whose", Whose)
def test_a_file_that_is_too_large_needs_no_free_space(whose: Whose) -> None:
    found = translate(os_error(errno.EFBIG), PATH, whose=whose)
    assert found.remedy is None
    assert "FAT" in (found.hint or "")


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE])
def test_an_error_of_the_system_says_what_to_do(number: int) -> None:
    found = translate(os_error(number), PATH)
    assert type(found) is Unavailable
    assert found.hint
    assert found.remedy is None


def test_a_quota_is_told_from_a_full_disk() -> None:
    full, quota = (translate(os_error(number), PATH) for number in (errno.ENOSPC, errno.EDQUOT))
    assert "quota" in (quota.hint or "")
    assert "quota" not in (full.hint or "")


def test_a_lack_of_inodes_is_told_from_a_lack_of_space(tmp_path: Path) -> None:
    with small_disk(tmp_path, files=40) as disk:
        full_of_files(disk)
        found = translate(os_error(errno.ENOSPC), disk / "file")
    assert isinstance(found, StorageFull)
    assert "inode" in found.message
