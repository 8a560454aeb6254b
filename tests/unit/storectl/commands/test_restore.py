"""`restore`: its sources, the choice of a generation, and what it refuses."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest

from store.errors import Unavailable
from storectl.settings import Settings
from tests.support.command_line import Runner
from tests.support.images import A, B, image

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def storectl(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Runner:
    runner = Runner(tmp_path / "store", capfdbinary)
    archive = tmp_path / "app.tar"
    archive.write_bytes(image(A, tags=("app:1",)).bytes())
    runner("import", str(archive))
    runner("backup", str(tmp_path / "b"))
    runner("backup", str(tmp_path / "b.tar"))
    archive.write_bytes(image(A, B, tags=("app:2",)).bytes())
    runner("import", str(archive))
    runner("backup", str(tmp_path / "b"))
    runner.root = tmp_path / "new"
    return runner


def tags(storectl: Runner) -> list[str]:
    return sorted(tag for one in storectl.json("images") for tag in one["RepoTags"])


def test_the_newest_generation_is_restored(storectl: Runner, tmp_path: Path) -> None:
    out = storectl("restore", str(tmp_path / "b")).splitlines()
    assert out[0].startswith(f"Restored 2 image(s) to {tmp_path / 'new'}: 20")
    assert out[1].startswith("Copied: 2 blob(s), ")
    assert tags(storectl) == ["app:1", "app:2"]
    assert "clean" in storectl("fsck")


def test_a_generation_can_be_chosen(storectl: Runner, tmp_path: Path) -> None:
    first, second = storectl.json("backup", "--list", str(tmp_path / "b"))
    assert storectl("restore", "-q", "--generation", first["Generation"], f"{tmp_path}/b") == ""
    assert tags(storectl) == ["app:1"]
    storectl.root = tmp_path / "other"
    storectl("restore", "--at", second["Created"], str(tmp_path / "b"))
    assert tags(storectl) == ["app:1", "app:2"]
    storectl.root = tmp_path / "third"
    storectl("restore", "--at", "24h", str(tmp_path / "b"), code=3)
    storectl("restore", "--generation", "../..", str(tmp_path / "b"), code=3)
    storectl("restore", "--at", "nope", str(tmp_path / "b"), code=2)
    storectl("restore", "--at", "1h", "--generation", "x", str(tmp_path / "b"), code=2)
    storectl("restore", "--at", "1h", str(tmp_path / "b.tar"), code=2)
    assert not storectl.root.exists()


def test_an_archive_is_restored_from_a_file_or_a_pipe(
    storectl: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storectl("restore", str(tmp_path / "b.tar"))
    assert tags(storectl) == ["app:1"]
    storectl.root = tmp_path / "piped"
    data = (tmp_path / "b.tar").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    storectl("restore", "-")
    assert "clean" in storectl("fsck")


def test_a_store_is_never_overwritten(storectl: Runner, tmp_path: Path) -> None:
    storectl.root = tmp_path / "store"
    storectl("restore", str(tmp_path / "b.tar"), code=6)
    assert tags(storectl) == ["app:1", "app:2"]


def test_damage_makes_no_store_without_partial(storectl: Runner, tmp_path: Path) -> None:
    path = max((tmp_path / "b" / "blobs").rglob("*/*/*"))
    path.write_bytes(b"rot")
    out = storectl("restore", str(tmp_path / "b"), code=5)
    assert f"error: sha256:{path.name}: its file has 3 of " in out
    assert "--partial" in storectl.err
    storectl("images", code=10)
    assert "run the same `storectl restore` again" in storectl.err
    storectl("import", str(tmp_path / "app.tar"), code=10)
    storectl("restore", "--partial", str(tmp_path / "b"), code=5)
    assert tags(storectl) == ["app:1", "app:2"]


def test_other_files_are_refused(storectl: Runner, tmp_path: Path) -> None:
    storectl("restore", str(tmp_path / "app.tar"), code=4)
    storectl("restore", str(tmp_path / "none.tar"), code=4)
    storectl("restore", str(tmp_path / "store"), code=4)
    assert not storectl.root.exists()


def test_a_restored_store_can_be_rescued_at_once(storectl: Runner, tmp_path: Path) -> None:
    storectl("restore", "-q", str(tmp_path / "b"))
    (storectl.root / "store.db").unlink()
    assert storectl("rescue").startswith("Rescued: 2 image(s), 2 tag(s), ")
    assert tags(storectl) == ["app:1", "app:2"]


def test_a_restore_succeeds_although_the_documents_cannot_be_copied(
    storectl: Runner,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_given: object, **_options: object) -> None:
        raise Unavailable("the disk is busy")

    with monkeypatch.context() as patched:
        patched.setattr(Settings, "open", fail)
        storectl("restore", "-q", str(tmp_path / "b"))
    assert "cannot write the copy of the documents: the disk is busy" in caplog.text
    assert tags(storectl) == ["app:1", "app:2"]
