from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from store import Store, errors

if TYPE_CHECKING:
    from pathlib import Path

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to other users")
LOOSE = {".": 0o755, "blobs": 0o755, "staging": 0o755, "store.db": 0o644, "write.lock": 0o644}
TIGHT = {".": 0o700, "blobs": 0o700, "staging": 0o700, "store.db": 0o600, "write.lock": 0o600}


def modes(root: Path) -> dict[str, int]:
    return {name: stat.S_IMODE((root / name).stat().st_mode) for name in TIGHT}


def loosen(root: Path) -> None:
    """Give a store the modes that older versions gave it."""
    for name, mode in LOOSE.items():
        (root / name).chmod(mode)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    with Store.open(tmp_path / "store", create=True) as store:
        return store.root


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_new_store_is_for_one_user(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        with Store.open(tmp_path / "above" / "store", create=True) as store:
            store.record(())
    finally:
        os.umask(before)
    assert modes(tmp_path / "above" / "store") == TIGHT
    assert stat.S_IMODE((tmp_path / "above").stat().st_mode) & 0o022 == 0


def test_a_new_store_is_for_a_group(tmp_path: Path) -> None:
    group = os.getegid()
    before = os.umask(0o077)
    try:
        for _ in range(2):
            with Store.open(tmp_path / "store", create=True, group=group) as store, store.write():
                log = stat.S_IMODE((store.root / "store.db-wal").stat().st_mode)
                memory = stat.S_IMODE((store.root / "store.db-shm").stat().st_mode)
    finally:
        os.umask(before)
    assert modes(tmp_path / "store") == {
        ".": 0o2770,
        "blobs": 0o2770,
        "staging": 0o2770,
        "store.db": 0o660,
        "write.lock": 0o660,
    }
    assert (log, memory) == (0o660, 0o660)


def test_a_store_of_one_user_is_not_shared_later(made: Path) -> None:
    with pytest.raises(errors.Conflict) as caught:
        Store.open(made, create=True, group=os.getegid())
    assert "chgrp" in (caught.value.hint or "")
    assert modes(made) == TIGHT


def test_the_owner_restricts_an_older_store(made: Path, caplog: pytest.LogCaptureFixture) -> None:
    loosen(made)
    Store.open(made, read_only=True).close()
    assert modes(made) == LOOSE
    Store.open(made).close()
    assert modes(made) == TIGHT
    assert len(caplog.records) == 1
    Store.open(made).close()
    assert len(caplog.records) == 1


@pytest.mark.parametrize("group", [None, os.getegid()])
def test_a_folder_with_other_files_does_not_become_a_store(
    tmp_path: Path, group: int | None
) -> None:
    root = tmp_path / "home"
    root.mkdir(0o755)
    for name in ("a", "b", "c", "d\x1b"):
        (root / name).touch()
    with pytest.raises(
        errors.Conflict, match=r"the folder is not empty \(it has a, b, c and 1 more"
    ):
        Store.open(root, create=True, group=group)
    assert sorted(one.name for one in root.iterdir()) == ["a", "b", "c", "d\x1b"]
    assert stat.S_IMODE(root.stat().st_mode) == 0o755


def test_the_mode_of_a_folder_with_other_files_is_not_changed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "home"
    Store.open(root, create=True).close()
    loosen(root)
    (root / "website").mkdir(parents=True)
    root.chmod(0o755)
    Store.open(root, create=True).close()
    assert modes(root) == {**TIGHT, ".": 0o755}
    assert not caplog.records


def test_an_empty_folder_becomes_private(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o755)
    (folder / "lost+found").mkdir()
    Store.open(folder, create=True).close()
    assert modes(folder) == TIGHT


@pytest.mark.parametrize("create", [False, True])
def test_a_root_that_others_may_write_is_refused(made: Path, *, create: bool) -> None:
    made.chmod(0o777)
    with pytest.raises(errors.PermissionDenied) as caught:
        Store.open(made, create=create)
    assert f"chmod 0700 {made}" in (caught.value.hint or "")
    for act in (Store.schema_state, Store.upgrade, Store.check_schema):
        with pytest.raises(errors.PermissionDenied):
            act(made)


def test_an_empty_root_that_others_may_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder").chmod(0o777)
    with pytest.raises(errors.PermissionDenied):
        Store.open(tmp_path / "folder", create=True)
    assert list((tmp_path / "folder").iterdir()) == []


@pytest.mark.parametrize("create", [False, True])
def test_a_folder_above_that_others_may_write_is_refused(tmp_path: Path, *, create: bool) -> None:
    above = tmp_path / "above"
    if not create:
        Store.open(above / "store", create=True).close()
    above.mkdir(exist_ok=True)
    above.chmod(0o777)
    with pytest.raises(errors.PermissionDenied) as caught:
        Store.open(above / "store", create=create)
    assert f"chmod o-w {above}" in (caught.value.hint or "")
    above.chmod(0o1777)
    Store.open(above / "store", create=True).close()


@pytest.mark.parametrize("name", ["blobs", "staging", "uploads", "store.db", "write.lock"])
def test_a_link_in_place_of_an_entry_is_refused(made: Path, tmp_path: Path, name: str) -> None:
    (made / "uploads").mkdir()
    (made / name).rename(tmp_path / "elsewhere")
    (made / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(errors.PermissionDenied):
        Store.open(made)


@pytest.mark.parametrize("name", ["store.db-wal", "write.lock"])
def test_a_special_file_in_place_of_an_entry_is_refused(made: Path, name: str) -> None:
    (made / name).unlink(missing_ok=True)
    os.mkfifo(made / name)
    with pytest.raises(errors.PermissionDenied):
        Store.open(made)


def test_the_path_of_the_root_may_have_links(made: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(made.parent)
    with Store.open(tmp_path / "link" / made.name) as store:
        assert store.root == made


def test_a_missing_store_is_reported_as_missing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    for name in ("nothing", "file", "open"):
        with pytest.raises(errors.StoreNotFound):
            Store.open(tmp_path / name)


@as_root
def test_an_entry_of_a_third_user_is_refused(made: Path) -> None:
    os.chown(made / "staging", 65534, 65534)
    with pytest.raises(errors.PermissionDenied) as caught:
        Store.open(made)
    assert f"chown -R root {made}" in (caught.value.hint or "")


@as_root
def test_a_second_name_of_an_entry_is_refused_in_the_store_of_another_user(
    made: Path, tmp_path: Path
) -> None:
    os.link(made / "write.lock", tmp_path / "second")
    Store.open(made).close()
    os.chown(made, 65534, 65534)
    with pytest.raises(errors.PermissionDenied):
        Store.open(made)
