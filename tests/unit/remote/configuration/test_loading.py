from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from remote.configuration import loading
from remote.configuration.loading import read_registries, registries_files
from store.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, search: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"unqualified-search-registries = ['{search}']")
    return path


def test_the_file_of_the_user_replaces_that_of_the_system_and_drop_ins_add_to_it(
    tmp_path: Path,
) -> None:
    etc, usr, own = tmp_path / "etc", tmp_path / "usr", tmp_path / "home/.config/containers"
    environment = {"HOME": str(tmp_path / "home")}
    assert registries_files(environment, (etc, usr)) == ()
    shipped = write(usr / "registries.conf", "usr.io")
    assert registries_files(environment, (etc, usr)) == (shipped,)
    system = write(etc / "registries.conf", "etc.io")
    one = write(etc / "registries.conf.d" / "10-a.conf", "a.io")
    two = write(etc / "registries.conf.d" / "2-b.conf", "b.io")
    write(etc / "registries.conf.d" / "README", "no.io")
    assert registries_files({}, (etc, usr)) == (system, one, two)
    user = write(own / "registries.conf", "user.io")
    last = write(own / "registries.conf.d" / "0.conf", "last.io")
    files = registries_files(environment, (etc, usr))
    assert files == (user, one, two, last)
    assert read_registries(files).search == ("last.io",)


def test_a_file_that_was_named_must_exist(tmp_path: Path) -> None:
    named = {"CONTAINERS_REGISTRIES_CONF": str(tmp_path / "r.conf")}
    with pytest.raises(InvalidInput, match="No such file"):
        read_registries(registries_files(named, ()))
    write(tmp_path / "r.conf", "a.io")
    assert read_registries(registries_files(named, ())).search == ("a.io",)


def test_an_error_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "r.conf").write_text("[")
    with pytest.raises(InvalidInput, match=f"invalid file {tmp_path}/r.conf"):
        read_registries((tmp_path / "r.conf",))


def test_too_many_drop_ins_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "MAX_DROP_INS", 1)
    for name in ("a.conf", "b.conf"):
        write(tmp_path / "registries.conf.d" / name, "a.io")
    with pytest.raises(InvalidInput, match="more than 1 files"):
        registries_files({}, (tmp_path,))
