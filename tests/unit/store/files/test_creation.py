from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from store.files.creation import create_file, create_folder, is_at, open_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to other users")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o277])
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("_umask")
@pytest.mark.parametrize(
    ("above", "folder", "file"),
    [(0o700, 0o700, 0o600), (0o755, 0o700, 0o600), (0o770, 0o700, 0o600), (0o2770, 0o2770, 0o660)],
)
def test_the_folder_above_decides_the_modes(
    tmp_path: Path, above: int, folder: int, file: int
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    root.chmod(above)
    create_folder(root / "folder")
    os.close(create_file(root / "file"))
    with open_folder(root, "a", "b", create=True):
        pass
    assert mode(root / "folder") == mode(root / "a" / "b") == folder
    assert mode(root / "file") == file


@as_root
@pytest.mark.parametrize("above", [0o700, 0o2770])
def test_what_root_creates_belongs_to_the_owner_of_the_folder(tmp_path: Path, above: int) -> None:
    root = tmp_path / "root"
    root.mkdir()
    os.chown(root, 65534, 65533)
    root.chmod(above)
    create_folder(root / "folder")
    os.close(create_file(root / "file"))
    for path in (root / "folder", root / "file"):
        assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65533)


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "dangling").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match="link"):
        create_file(tmp_path / "link" / "file")
    with pytest.raises(OSError, match="link"):
        create_folder(tmp_path / "link" / "folder")
    with pytest.raises(FileExistsError):
        create_file(tmp_path / "real" / "dangling")
    with pytest.raises(OSError, match="link"), open_folder(tmp_path, "link", create=True):
        pass
    assert not (tmp_path / "target").exists()
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["dangling"]


def test_a_file_is_left_alone_if_it_exists(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(FileExistsError):
        create_file(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_file_that_cannot_be_given_away_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_descriptor: int, _mode: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "fchmod", refuse)
    before = os.umask(0o377)
    try:
        with pytest.raises(PermissionError):
            create_file(tmp_path / "file")
    finally:
        os.umask(before)
    assert not (tmp_path / "file").exists()


def test_a_missing_folder_is_not_created_unless_asked(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), open_folder(tmp_path, "a"):
        pass
    assert list(tmp_path.iterdir()) == []


@as_root
def test_a_umask_that_closes_folders_to_their_owner_changes_nothing(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir(0o700)
    # The child is in the folder already, so it need not pass the folders above it.
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    os.fchown(folder, 12345, 12345)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.fchdir(folder)
            os.setgid(12345)
            os.setuid(12345)
            os.umask(0o777)
            create_folder(Path("below"))
            code = 0
        finally:
            os._exit(code)
    os.close(folder)
    assert os.waitpid(child, 0)[1] == 0
    assert mode(root / "below") == 0o700


def test_an_open_file_is_at_its_path_until_it_is_removed_or_replaced(tmp_path: Path) -> None:
    path = tmp_path / "file"
    descriptor = create_file(path)
    assert is_at(path, descriptor)
    path.rename(tmp_path / "old")
    assert not is_at(path, descriptor)
    path.touch()
    assert not is_at(path, descriptor)
    os.close(descriptor)
