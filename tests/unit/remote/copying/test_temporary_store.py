"""A temporary store has one image, and leaves nothing behind."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from exporter import Format, SaveOptions, open_save
from remote.copying.temporary_store import TemporaryStore
from remote.pushing.choice import Choice
from store.errors import InvalidInput
from store.model.progress import Silent
from tests.support.images import A, B, image
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store


def test_an_archive_without_manifests_gets_those_of_a_save(store: Store, tmp_path: Path) -> None:
    archive = image(A, B, tags=("demo:1",)).bytes()
    store.import_archive(io.BytesIO(archive))
    with open_save(store, ["demo:1"], options=SaveOptions(Format.OCI)) as export:
        assert export.graph is not None
        (root,) = export.graph.roots

    with TemporaryStore(Silent(), tmp_path) as temporary:
        temporary.importing.import_one(io.BytesIO(archive), None, "docker-archive:demo.tar")
        with temporary.open(Choice(), name="demo", jobs=1) as found:
            assert found.root.digest == root.digest

    assert not list(tmp_path.glob("storectl-copy-*"))


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    layout = Layout()
    layout.root(layout.image(gzip(A)), "docker.io/team/app:1")
    layout.root(layout.image(gzip(B)), "docker.io/team/app:2")
    layout.roots.append(
        layout.image(gzip(A), B)
        | {"annotations": {"org.opencontainers.image.ref.name": "bare-name"}}
    )
    path = tmp_path / "layout.tar"
    path.write_bytes(layout.tar())
    return path


@pytest.mark.parametrize("name", ["team/app:2", "2", "bare-name"])
def test_an_image_is_chosen_by_its_full_or_bare_name(
    layout: Path, tmp_path: Path, name: str
) -> None:
    with TemporaryStore(Silent(), tmp_path) as temporary:
        report = temporary.importing.import_one(
            layout, name, "oci-archive:layout.tar", is_bare=True
        )
        assert len(report.images) == 1


def test_one_of_several_images_has_to_be_named(layout: Path, tmp_path: Path) -> None:
    with TemporaryStore(Silent(), tmp_path) as temporary:
        with pytest.raises(InvalidInput) as caught:
            temporary.importing.import_one(layout, None, "oci-archive:layout.tar")
        assert caught.value.remedy is None
        assert caught.value.hint
        with pytest.raises(InvalidInput, match="no image '1'"):
            temporary.importing.import_one(layout, "1", "oci-archive:layout.tar")
        with pytest.raises(InvalidInput, match="no image"):
            temporary.importing.import_one(layout, "*", "oci-archive:layout.tar", is_bare=True)
