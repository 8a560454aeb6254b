from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

import exporter
from exporter.options import Format, SaveOptions
from exporter.output import layout_folder
from store import Store, errors
from store.errors import Unavailable
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def filled(store: Store) -> Store:
    layout = Layout()
    layout.root(layout.image(gzip(A)), "docker.io/library/app:1")
    layout.root(layout.image(B), "example.org/other:1")
    layout.root(layout.artifact(b"thing"))
    store.import_archive(io.BytesIO(layout.tar()))
    return store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "layout"


def save(store: Store, folder: Path, *names: str) -> None:
    with exporter.open_save(store, names, options=SaveOptions(Format.OCI)) as export:
        export.write_folder(folder)


def entries(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((folder / "index.json").read_bytes())["manifests"]
    return found


def names(folder: Path) -> list[tuple[str, str]]:
    return [
        (one["io.containerd.image.name"], one["org.opencontainers.image.ref.name"])
        for one in (entry.get("annotations", {}) for entry in entries(folder))
    ]


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_new_folder_becomes_a_layout(filled: Store, folder: Path) -> None:
    save(filled, folder, "app:1")
    assert json.loads((folder / "oci-layout").read_bytes()) == {"imageLayoutVersion": "1.0.0"}
    assert names(folder) == [("docker.io/library/app:1", "1")]
    before = tree(folder)
    save(filled, folder, "app:1")
    assert tree(folder) == before


def test_a_tag_that_another_entry_has_is_written_with_its_repository(
    filled: Store, folder: Path
) -> None:
    save(filled, folder, "app:1")
    save(filled, folder, "example.org/other:1")
    assert names(folder) == [
        ("docker.io/library/app:1", "1"),
        ("example.org/other:1", "example.org/other:1"),
    ]


def test_an_entry_with_a_saved_name_is_replaced_in_its_position(
    filled: Store, folder: Path
) -> None:
    save(filled, folder, "app:1", "example.org/other:1")
    filled.tag("example.org/other:1", "app:1")
    save(filled, folder, "app:1")
    first, second = entries(folder)
    assert first["digest"] == second["digest"]
    assert first["annotations"]["io.containerd.image.name"] == "docker.io/library/app:1"


def test_a_manifest_without_a_name_is_listed_once(filled: Store, folder: Path) -> None:
    digest = str(filled.inspect("example.org/other:1").manifests[0].digest)
    save(filled, folder, digest)
    save(filled, folder, digest)
    assert [one["digest"] for one in entries(folder)] == [digest]


def test_other_files_and_unknown_members_stay(filled: Store, folder: Path) -> None:
    save(filled, folder, "app:1")
    index = json.loads((folder / "index.json").read_bytes())
    index["annotations"] = {"org.example": "kept"}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "README").write_text("kept")
    save(filled, folder, "example.org/other:1")
    assert json.loads((folder / "index.json").read_bytes())["annotations"] == {
        "org.example": "kept"
    }
    assert (folder / "README").read_text() == "kept"


def test_a_folder_with_temporary_files_of_another_save_is_a_new_layout(
    filled: Store, folder: Path
) -> None:
    folder.mkdir()
    (folder / ".storectl-abc.partial").touch()
    save(filled, folder, "app:1")
    assert len(entries(folder)) == 1


@pytest.mark.parametrize("name", ["layout/below", "full"])
def test_an_unsuitable_folder_is_invalid_input(filled: Store, tmp_path: Path, name: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(errors.InvalidInput) as caught:
        save(filled, tmp_path / name, "app:1")
    assert str(tmp_path / name) in caught.value.message
    assert list(tree(tmp_path / "full")) == ["file"]
    assert not (tmp_path / "layout").exists()


@pytest.mark.parametrize("data", [b"{", b'{"schemaVersion":2,"manifests":[],"a":1e999}'])
def test_an_unreadable_index_is_left_alone(filled: Store, folder: Path, data: bytes) -> None:
    save(filled, folder, "app:1")
    (folder / "index.json").write_bytes(data)
    with pytest.raises(errors.InvalidDocument):
        save(filled, folder, "example.org/other:1")
    assert (folder / "index.json").read_bytes() == data


@pytest.mark.parametrize("name", ["blobs", "blobs/sha256", "index.json", "oci-layout"])
def test_a_link_that_leads_out_of_the_folder_is_refused(
    filled: Store, folder: Path, tmp_path: Path, name: str
) -> None:
    save(filled, folder, "app:1")
    outside = tmp_path / "outside"
    (folder / name).rename(outside)
    (folder / name).symlink_to(outside)
    before = tree(outside) if outside.is_dir() else outside.read_bytes()
    with pytest.raises(errors.InvalidInput, match="a symbolic link leads out of the folder"):
        save(filled, folder, "example.org/other:1")
    assert (tree(outside) if outside.is_dir() else outside.read_bytes()) == before


def test_a_blob_that_is_a_link_to_another_file_is_refused(
    filled: Store, folder: Path, tmp_path: Path
) -> None:
    save(filled, folder, "app:1")
    blob = next((folder / "blobs" / "sha256").iterdir())
    (tmp_path / "outside").write_bytes(bytes(blob.stat().st_size))
    blob.unlink()
    blob.symlink_to(tmp_path / "outside")
    with pytest.raises(errors.InvalidInput, match="a symbolic link leads out of the folder"):
        save(filled, folder, "app:1")


@pytest.mark.parametrize("exists", [True, False])
def test_a_failed_save_leaves_nothing_in_an_empty_folder(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exists: bool
) -> None:
    folder = tmp_path / "fresh"
    if exists:
        folder.mkdir()

    def fail(*_arguments: object) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(layout_folder, "_merged", fail)
        with pytest.raises(KeyboardInterrupt):
            save(filled, folder, "app:1")
    assert folder.exists() == exists
    assert not exists or list(folder.iterdir()) == []
    save(filled, folder, "app:1")
    before = tree(folder)
    with monkeypatch.context() as patched:
        patched.setattr(layout_folder, "_merged", fail)
        with pytest.raises(KeyboardInterrupt):
            save(filled, folder, "example.org/other:1")
    assert before.items() <= tree(folder).items()


def test_a_blob_that_another_process_removes_is_missed(
    filled: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = layout_folder._blobs

    def write_and_lose(*arguments: Any) -> None:  # noqa: ANN401
        written(*arguments)
        next(path for path in (folder / "blobs" / "sha256").iterdir()).unlink()

    monkeypatch.setattr(layout_folder, "_blobs", write_and_lose)
    with pytest.raises(Unavailable, match="was removed while the images were saved"):
        save(filled, folder, "app:1")
    assert not (folder / "index.json").exists()
