"""Files of the store that share the bytes of other files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from store.files import kernel_copy
from store.model.digests import Digest
from store.registry_tree.sharing import Sharing

if TYPE_CHECKING:
    from pathlib import Path

DATA = b"some bytes"
DIGEST = Digest.of(DATA)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(DATA)
    path.chmod(0o644)
    return path


def share(some: Sharing, source: Path, target: Path) -> bool:
    with source.open("rb") as file:
        found = some.share(DIGEST, file, target)
    if found is not None:
        assert found.size_bytes == len(DATA)
        found.close()
    return found is not None


def test_a_clone_has_all_bytes(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clone(source: int, target: int) -> bool:
        return os.write(target, os.pread(source, 100, 0)) > 0

    monkeypatch.setattr(kernel_copy, "clone", clone)
    some = Sharing()
    assert share(some, source, tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == DATA
    assert (some.cloned_bytes, some.linked_bytes) == (len(DATA), 0)


def test_without_clones_and_links_nothing_is_left(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def clone(source: int, target: int) -> bool:
        calls.append((source, target))
        return False

    monkeypatch.setattr(kernel_copy, "clone", clone)
    some = Sharing()
    assert not share(some, source, tmp_path / "one")
    assert not share(some, source, tmp_path / "two")
    assert [path.name for path in tmp_path.iterdir()] == ["source"]
    # The file system is asked once.
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("mode", "is_linked"), [(0o644, True), (0o444, True), (0o664, False), (0o646, False)]
)
def test_only_files_that_no_one_else_may_write_are_linked(
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mode: int,
    *,
    is_linked: bool,
) -> None:
    monkeypatch.setattr(kernel_copy, "clone", lambda *_: False)
    source.chmod(mode)
    some = Sharing(link=True)
    assert share(some, source, tmp_path / "target") == is_linked
    assert (tmp_path / "target").exists() == is_linked
    assert source.stat().st_nlink == 1 + is_linked
    assert some.linked_bytes == len(DATA) * is_linked


def test_files_of_another_user_are_not_linked(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel_copy, "clone", lambda *_: False)
    owner = source.stat().st_uid
    if owner == 0:
        os.chown(source, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    assert not share(Sharing(link=True), source, tmp_path / "target")
