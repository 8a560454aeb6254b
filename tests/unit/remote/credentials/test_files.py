from __future__ import annotations

import os
from pathlib import Path

import pytest

from remote.credentials.files import MAX_FILE_BYTES, changing, read_document, replace_text
from remote.credentials.places import AuthFile, Kind
from store.errors import InvalidInput, PermissionDenied, StoreBusy
from store.files.folder_lock import locked


def file(path: Path, *, chosen: bool = False) -> AuthFile:
    return AuthFile(path, Kind.DOCKER, chosen)


def test_a_missing_file_has_nothing_unless_the_user_named_it(tmp_path: Path) -> None:
    assert read_document(file(tmp_path / "none")) is None
    (tmp_path / "plain").touch()
    assert read_document(file(tmp_path / "plain" / "config.json")) is None
    with pytest.raises(InvalidInput, match="there is no such file"):
        read_document(file(tmp_path / "none", chosen=True))


def test_a_file_that_is_not_regular_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(InvalidInput, match="it is not a file"):
            read_document(file(path))


def test_the_null_device_has_no_credentials() -> None:
    document = read_document(file(Path("/dev/null"), chosen=True))
    assert document is not None
    assert dict(document.entries) == {}


def test_a_file_that_is_too_large_or_damaged_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b" " * (MAX_FILE_BYTES + 1))
    with pytest.raises(InvalidInput, match="larger than"):
        read_document(file(path))
    path.write_bytes(b"\xff")
    with pytest.raises(InvalidInput, match="expected UTF-8"):
        read_document(file(path))
    path.write_text("{")
    with pytest.raises(InvalidInput, match=f"invalid credentials in {path}"):
        read_document(file(path))


def test_links_in_a_circle_and_long_names_are_errors(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("a")
    for path in (tmp_path / "a", tmp_path / ("n" * 300)):
        with pytest.raises(InvalidInput):
            read_document(file(path))


def test_a_file_that_others_may_write_to_is_not_trusted(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("{}")
    path.chmod(0o666)
    with pytest.raises(PermissionDenied, match="other users may write to it"):
        read_document(file(path))


def test_a_new_file_and_its_folder_are_for_the_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "docker" / "config.json"
    with changing(file(path), 1) as document:
        replace_text(path, document.with_entry("q.io", {}))
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [one.name for one in path.parent.iterdir()] == ["config.json"]


def test_a_symbolic_link_stays(tmp_path: Path) -> None:
    path, link = tmp_path / "real", tmp_path / "config.json"
    path.write_text("{}")
    path.chmod(0o644)
    link.symlink_to(path)
    replace_text(link, "[]")
    assert link.is_symlink()
    assert path.read_text() == "[]"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_file_of_another_user_stays_theirs(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("{}")
    os.chown(path, 1234, 1234)
    replace_text(path, "[]")
    assert (path.stat().st_uid, path.stat().st_gid) == (1234, 1234)


def test_two_runs_do_not_change_a_file_at_the_same_time(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(StoreBusy), changing(file(tmp_path / "config.json"), 0.01):
        pytest.fail("the lock was not held")
