"""Archives of copies are layouts, and appear only when they are complete."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from remote.copying.archive_target import ArchiveTarget
from remote.pushing.choice import Choice
from remote.pushing.report import NoListener
from store.errors import DamagedContent
from store.model.digests import Digest
from store.model.progress import Silent
from tests.support.images import A
from tests.support.layouts import gzip
from tests.support.sent_images import import_index, receive, survey

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store


def target(path: Path, name: str | None = "mine") -> ArchiveTarget:
    return ArchiveTarget(path, name, progress=Silent(), listener=NoListener())


def _data(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None
    return file.read()


def test_the_archive_has_every_blob_with_its_digest(store: Store, tmp_path: Path) -> None:
    layout = import_index(store)
    path = tmp_path / "app.tar"

    done = receive(store, target(path), Choice(referrers=True))

    with tarfile.open(path) as archive:
        files = {one.name: _data(archive, one) for one in archive if one.isfile()}
    index = json.loads(files.pop("index.json"))
    files.pop("oci-layout")
    assert {name.replace("blobs/sha256/", "sha256:"): data for name, data in files.items()} == (
        layout.blobs
    )
    assert [one["digest"] for one in index["manifests"]] == [one["digest"] for one in layout.roots]
    assert done.tags["mine"].digest == Digest.parse(layout.roots[0]["digest"])
    assert len(done.sent) + len(done.documents) == len(layout.blobs)


def test_two_archives_of_one_image_are_equal(store: Store, tmp_path: Path) -> None:
    import_index(store)
    for name in ("a", "b"):
        receive(store, target(tmp_path / name))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_after_damage_the_file_is_as_before(store: Store, root: Path, tmp_path: Path) -> None:
    import_index(store)
    path = tmp_path / "app.tar"
    path.write_bytes(b"before")
    (file,) = (one for one in root.rglob(f"*{Digest.of(gzip(A).data).hex}*") if one.is_file())
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:-1] + b"?")

    with pytest.raises(DamagedContent):
        receive(store, target(path))

    assert path.read_bytes() == b"before"
    assert {one.name for one in tmp_path.iterdir()} == {"app.tar", "store"}


def test_a_survey_writes_nothing(store: Store, tmp_path: Path) -> None:
    import_index(store)
    asked = survey(store, target(tmp_path / "app.tar"))
    assert (len(asked.missing), len(asked.absent), asked.moved_tags) == (6, 4, ("mine",))
    assert not (tmp_path / "app.tar").exists()
