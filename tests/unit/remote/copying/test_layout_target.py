"""Image layouts receive images, and keep those that they have."""

from __future__ import annotations

import asyncio
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from remote.copying.layout_target import LayoutTarget, merged_index
from remote.pushing.choice import Choice
from remote.pushing.report import NoListener
from remote.pushing.stored_image import open_stored
from store import Store
from store.errors import DamagedContent, InvalidDocument, InvalidInput, Unavailable
from store.formats.image.layout_names import SUBJECT
from store.model.digests import Digest
from store.model.progress import Silent
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from pathlib import Path

    from remote.pushing.report import Delivered


@pytest.fixture
def layout(store: Store) -> Layout:
    layout = Layout()
    app = layout.image(gzip(A))
    index = layout.index(app, layout.attestation(app))
    layout.root(index, "docker.io/team/app:1")
    layout.root(layout.artifact(b"signature", subject=index))
    layout.root(layout.image(gzip(B)), "docker.io/team/other:1")
    store.import_archive(io.BytesIO(layout.tar()))
    return layout


def target(folder: Path, name: str | None) -> LayoutTarget:
    return LayoutTarget(
        folder, name, jobs=2, progress=Silent(), listener=NoListener(), wait_limit_s=1
    )


def receive(
    store: Store, folder: Path, stored: str, name: str | None, choice: Choice | None = None
) -> Delivered:
    with open_stored(store, stored, choice or Choice(), jobs=2) as image:
        return asyncio.run(target(folder, name).receive(image))


def entries(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "index.json").read_bytes())["manifests"]
    return found


def test_a_new_folder_becomes_a_layout_that_can_be_imported(
    store: Store, layout: Layout, tmp_path: Path
) -> None:
    folder = tmp_path / "layout"

    done = receive(store, folder, "team/app:1", "mine", Choice(referrers=True))

    listed = entries(folder)
    assert listed[0]["digest"] == layout.roots[0]["digest"]
    assert listed[0]["annotations"]["org.opencontainers.image.ref.name"] == "mine"
    assert listed[1]["annotations"] == {SUBJECT: layout.roots[0]["digest"]}
    for blob in done.sent:
        path = folder / "blobs" / blob.digest.algorithm / blob.digest.hex
        assert Digest.of(path.read_bytes()) == blob.digest
    with Store.open(tmp_path / "again", create=True) as again:
        again.import_archive(folder)
        assert Digest.parse(layout.roots[1]["digest"]) in again.sources(
            [Digest.parse(layout.roots[1]["digest"])]
        )


def test_images_of_the_layout_stay_and_a_name_is_replaced(
    store: Store, layout: Layout, tmp_path: Path
) -> None:
    folder = tmp_path / "layout"
    receive(store, folder, "team/app:1", "mine")
    receive(store, folder, "team/other:1", "other")
    done = receive(store, folder, "team/other:1", "mine")

    assert [
        (one["digest"], next(iter(one["annotations"].values()))) for one in entries(folder)
    ] == [
        (layout.roots[2]["digest"], "other"),
        (layout.roots[2]["digest"], "mine"),
    ]
    assert not done.sent
    assert done.held


def test_a_survey_writes_nothing(store: Store, layout: Layout, tmp_path: Path) -> None:
    del layout
    folder = tmp_path / "layout"
    with open_stored(store, "team/app:1", Choice(), jobs=2) as image:
        survey = asyncio.run(target(folder, "mine").survey(image))
    assert len(survey.missing) == 4
    assert survey.moved_tags == ("mine",)
    assert not folder.exists()


def test_other_folders_are_refused(store: Store, layout: Layout, tmp_path: Path) -> None:
    del layout
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(InvalidInput, match="not an image layout"):
        receive(store, tmp_path, "team/app:1", "mine")
    with pytest.raises((InvalidInput, Unavailable), match="notes/below"):
        receive(store, tmp_path / "notes" / "below", "team/app:1", "mine")


def test_a_link_out_of_the_folder_is_not_followed(
    store: Store, layout: Layout, tmp_path: Path
) -> None:
    del layout
    folder, elsewhere = tmp_path / "layout", tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder.mkdir()
    (folder / "oci-layout").write_text("{}")
    (folder / "blobs").symlink_to(elsewhere)

    with pytest.raises(InvalidInput, match="symbolic link"):
        receive(store, folder, "team/app:1", "mine")

    assert not list(elsewhere.iterdir())


def test_after_damage_the_index_is_as_before(
    store: Store, root: Path, layout: Layout, tmp_path: Path
) -> None:
    del layout
    folder = tmp_path / "layout"
    receive(store, folder, "team/other:1", "mine")
    before = (folder / "index.json").read_bytes()
    (file,) = (one for one in root.rglob(f"*{Digest.of(gzip(A).data).hex}*") if one.is_file())
    data = bytearray(file.read_bytes())
    data[0] ^= 1
    file.chmod(0o600)
    file.write_bytes(bytes(data))

    with pytest.raises(DamagedContent):
        receive(store, folder, "team/app:1", "mine")

    assert (folder / "index.json").read_bytes() == before
    assert not list(folder.rglob("*.partial"))


def test_an_index_that_is_none_is_not_overwritten() -> None:
    with pytest.raises(InvalidDocument):
        merged_index(b"[]", [], "index.json")
    with pytest.raises(InvalidDocument):
        merged_index(
            b'{"schemaVersion":2,"config":{"mediaType":"a","digest":"sha256:'
            + b"0" * 64
            + b'","size":1},"layers":[]}',
            [],
            "index.json",
        )
