"""The files of an archive, read from a tar file, a tar stream or a folder."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from store.errors import InvalidArchive, MissingMember, TooLarge
from store.formats.archives.opening import Opened
from store.importing.members.members import open_members
from store.model.digests import Digest
from store.model.limits import DEFAULT_LIMITS, Limits
from store.model.progress import Silent
from tests.support.images import A, Archive

if TYPE_CHECKING:
    from pathlib import Path

    from store.importing.members.members import Members
    from store.importing.staging import Stager

FILES = {"manifest.json": b"[]", "b/layer.tar": A, "a/json": b"{}", "a/layer.tar": A[:-512]}


@pytest.fixture(params=["file", "pipe", "folder"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def opened(kind: str, folder: Path, stager: Stager, limits: Limits = DEFAULT_LIMITS) -> Members:
    if kind == "folder":
        for name, data in FILES.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        source = Opened(None, folder, seekable=False, size_bytes=None)
    else:
        archive = Archive()
        for name, data in FILES.items():
            archive.file(name, data)
        stream = io.BytesIO(archive.bytes())
        source = Opened(stream, None, seekable=kind == "file", size_bytes=None)
    return open_members(source, stager, limits, Silent())


def test_files_are_found_by_path_in_every_kind_of_archive(
    kind: str, tmp_path: Path, stager: Stager
) -> None:
    members = opened(kind, tmp_path / "archive", stager)
    assert members.exists("b/layer.tar")
    assert not members.exists("c")
    assert members.size("b/layer.tar") == len(A)
    assert members.document("manifest.json") == b"[]"
    assert members.top_level_directories() == ("a", "b")


def test_a_file_is_staged_once_as_a_layer_and_once_as_a_blob(
    kind: str, tmp_path: Path, stager: Stager
) -> None:
    members = opened(kind, tmp_path / "archive", stager)
    members.prefetch(["b/layer.tar", "missing"])
    layer, blob = members.layer("b/layer.tar"), members.blob("b/layer.tar")
    assert members.layer("b/layer.tar") is layer
    assert members.blob("b/layer.tar") is blob
    assert layer.diff.digest == Digest.of(A)
    assert blob.path.read_bytes() == A


def test_a_path_without_a_file_is_refused(kind: str, tmp_path: Path, stager: Stager) -> None:
    members = opened(kind, tmp_path / "archive", stager)
    for ask in (members.size, members.document, members.layer, members.blob):
        with pytest.raises(MissingMember):
            ask("missing")
        with pytest.raises(InvalidArchive):
            ask("a")


def test_documents_are_limited_together(kind: str, tmp_path: Path, stager: Stager) -> None:
    members = opened(kind, tmp_path / "archive", stager, Limits(documents_bytes=3))
    assert members.document("manifest.json") == b"[]"
    with pytest.raises(TooLarge):
        members.document("a/json")
