"""The places of backups, and the lines about them."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import click
import pytest

from store.backup.report import Fault, FaultKind
from store.errors import InvalidInput
from storectl.commands._backups import (
    blobs_and_size,
    faults_as_json,
    is_folder,
    opened_archive,
    show_faults,
)

if TYPE_CHECKING:
    from pathlib import Path

FAULT = Fault(FaultKind.DAMAGED, "sha256:1", "wrong", ("a:1", "b:1"), ("20260102T030405Z",))


def test_a_place_is_a_folder_or_an_archive(tmp_path: Path) -> None:
    (tmp_path / "folder.tar").mkdir()
    (tmp_path / "file").touch()
    for name in ("new", "new.d", "new/", "folder.tar", "new.tar/"):
        assert is_folder(f"{tmp_path}/{name}"), name
    for name in ("new.tar", "NEW.TAR", "file"):
        assert not is_folder(f"{tmp_path}/{name}"), name
    for name in ("new.tar.gz", "new.tzst"):
        with pytest.raises(click.UsageError, match="plain tar"):
            is_folder(f"{tmp_path}/{name}")


def test_archives_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    del capsys
    (tmp_path / "x.tar").write_bytes(b"data")
    with opened_archive(str(tmp_path / "x.tar")) as (file, seekable):
        assert (file.read(), seekable) == (b"data", True)
    with pytest.raises(InvalidInput), opened_archive(str(tmp_path / "none.tar")):
        pass
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(click.UsageError), opened_archive("-"):
        pass
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"piped")))
    with opened_archive("-") as (file, seekable):
        assert (file.read(), seekable) == (b"piped", False)


def test_faults_are_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    show_faults([FAULT, Fault(FaultKind.MISSING, "x", "gone")], "error")
    assert capsys.readouterr().out.splitlines() == [
        "error: sha256:1: wrong [affects a:1, b:1] [in generation 20260102T030405Z]",
        "error: x: gone",
    ]
    assert faults_as_json([FAULT])[0]["Kind"] == "damaged"
    assert blobs_and_size(2, 1500) == "2 blob(s), 1.5kB"
