from __future__ import annotations

import os
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from store.errors import InvalidInput, PermissionDenied
from store.files import input_modes
from store.files.input_modes import require_secret, require_unwritable

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "users").write_text("x")
    return tmp_path / "users"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o644, 0o400])
def test_a_file_that_only_the_owner_writes_is_accepted(file: Path, mode: int) -> None:
    file.chmod(mode)
    require_unwritable(file)


@pytest.mark.parametrize("check", [require_unwritable, require_secret])
def test_a_file_that_others_may_write_is_refused(file: Path, check: object) -> None:
    file.chmod(0o606)
    assert callable(check)
    with pytest.raises(PermissionDenied) as caught:
        check(file)
    assert caught.value.hint == f"run `chmod go-w {file}`"


@pytest.mark.parametrize("is_private", [False, True])
def test_a_group_without_other_members_may_write(
    file: Path, monkeypatch: pytest.MonkeyPatch, *, is_private: bool
) -> None:
    file.chmod(0o660)
    monkeypatch.setattr(input_modes, "_ROOT_GROUP", -1)
    monkeypatch.setattr(input_modes, "is_private_group", lambda _gid, _uid: is_private)
    if is_private:
        require_unwritable(file)
    else:
        with pytest.raises(PermissionDenied):
            require_unwritable(file)


def test_a_file_on_read_only_media_is_not_checked(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file.chmod(0o666)
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_flag=os.ST_RDONLY))
    require_secret(file)
    assert not caplog.records


@pytest.mark.parametrize(("mode", "warns"), [(0o600, False), (0o640, False), (0o644, True)])
def test_a_secret_that_every_user_may_read_is_reported(
    file: Path, caplog: pytest.LogCaptureFixture, mode: int, *, warns: bool
) -> None:
    file.chmod(mode)
    require_secret(file)
    assert (f"chmod o-r {file}" in caplog.text) is warns


def test_a_device_is_neither_secret_nor_refused(caplog: pytest.LogCaptureFixture) -> None:
    from pathlib import Path

    require_secret(Path(os.devnull))
    assert not caplog.records


def test_a_missing_file_is_an_invalid_input(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        require_secret(tmp_path / "missing")
