"""Saves into folders and compressed files on the command line."""

from __future__ import annotations

import concurrent.futures
import gzip as gzip_module
import io
import json
from typing import TYPE_CHECKING

import pytest
import zstandard

import exporter
from exporter import Format, Layers, SaveOptions
from store import Store, errors
from tests.support.images import A, B, layer
from tests.support.layouts import MANIFEST, Layout, digest, encode, gzip, zstd

if TYPE_CHECKING:
    from pathlib import Path

from tests.support.rich_layouts import LARGE, blobs, listed, rich_layout, run, save


@pytest.fixture
def filled(store: Store) -> Store:
    store.import_archive(io.BytesIO(rich_layout()[0].tar()))
    return store


@pytest.mark.parametrize("how", list(Layers))
def test_layers_are_encoded_again(filled: Store, how: Layers, tmp_path: Path) -> None:
    layout, made = rich_layout()
    archive = save(filled, "team/app:1", format=Format.OCI, layers=how)
    found = blobs(archive)
    index = json.loads(found[listed(archive)[0][0]])
    assert index["annotations"]["dev.storectl.original.digest"] == made["top"]["digest"]
    attestation = index["manifests"][1]
    assert (
        attestation["annotations"]["vnd.docker.reference.digest"] == index["manifests"][0]["digest"]
    )
    document = json.loads(found[index["manifests"][0]["digest"]])
    assert (
        document["config"]["digest"]
        == json.loads(layout.blobs[made["amd64"]["digest"]])["config"]["digest"]
    )
    plains = []
    for link in document["layers"]:
        data = found[link["digest"]]
        assert link["mediaType"] == "application/vnd.oci.image.layer.v1.tar" + (
            "" if how is Layers.PLAIN else f"+{how}"
        )
        if how is Layers.GZIP:
            data = gzip_module.decompress(data)
        elif how is Layers.ZSTD:
            data = zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()
        plains.append(data)
    assert plains == [A, B, LARGE]
    assert save(filled, "team/app:1", format=Format.OCI, layers=how) == archive
    path = tmp_path / "file.tar"
    with (
        exporter.open_save(
            filled, ["team/app:1"], options=SaveOptions(format=Format.OCI, layers=how)
        ) as export,
        exporter.atomic_file(path) as file,
    ):
        export.write(file)
    assert path.read_bytes() == archive
    with Store.open(tmp_path / "other", create=True) as other:
        other.import_archive(path)
        assert {image.image_id for image in other.images()} <= {
            image.image_id for image in filled.images()
        }
        assert list(other.fsck()) == []


def test_layers_with_that_encoding_stay(store: Store) -> None:
    layout = Layout()
    layout.root(layout.image(gzip(A), gzip(B)), "docker.io/library/x:1")
    signature = layout.root(layout.artifact(b"signed", subject=layout.roots[0]))
    store.import_archive(io.BytesIO(layout.tar()))
    assert (
        blobs(save(store, "x:1", signature["digest"], format=Format.OCI, layers=Layers.GZIP))
        == layout.blobs
    )
    with exporter.open_save(
        store, ["x:1"], options=SaveOptions(format=Format.OCI, layers=Layers.PLAIN, referrers=True)
    ) as export:
        assert export.notes == (
            (
                "signatures and other referrers name the digests that manifests had before "
                "re-encoding"
            ),
        )


@pytest.mark.parametrize("how", [Layers.GZIP, Layers.PLAIN])
def test_dockers_own_media_types_know_only_gzip(store: Store, how: Layers) -> None:
    layout = Layout()
    image = layout.image(zstd(A))
    document = json.loads(layout.blobs.pop(image["digest"]))
    docker = "application/vnd.docker.distribution.manifest.v2+json"
    document["mediaType"], document["config"]["mediaType"] = (
        docker,
        "application/vnd.docker.container.image.v1+json",
    )
    top = layout.document(document, docker)
    list_type = "application/vnd.docker.distribution.manifest.list.v2+json"
    layout.root(
        layout.document(
            {"schemaVersion": 2, "mediaType": list_type, "manifests": [top]}, list_type
        ),
        "docker.io/library/d:1",
    )
    store.import_archive(io.BytesIO(layout.tar()))
    archive = save(store, "d:1", format=Format.OCI, layers=how)
    index = json.loads(blobs(archive)[listed(archive)[0][0]])
    manifest = json.loads(blobs(archive)[index["manifests"][0]["digest"]])
    assert (
        (manifest["mediaType"] == docker)
        == (how is Layers.GZIP)
        == (index["mediaType"] == list_type)
    )
    assert index["manifests"][0]["mediaType"] == manifest["mediaType"]


def test_a_legacy_archive_has_plain_layers_anyway(filled: Store) -> None:
    with pytest.raises(errors.InvalidInput, match="cannot re-encode layers in the format legacy"):
        save(filled, "team/app:1", layers=Layers.GZIP)


def test_a_folder_is_a_layout_and_is_added_to(filled: Store, tmp_path: Path) -> None:
    layout, made = rich_layout()
    folder = tmp_path / "layout"
    assert run(filled, "save", "--format", "oci", "-o", f"{folder}/", "team/app:1").returncode == 0
    index = json.loads((folder / "index.json").read_bytes())
    index["manifests"].append(
        {
            "mediaType": MANIFEST,
            "digest": digest(b"theirs"),
            "size": 6,
            "annotations": {"org.opencontainers.image.ref.name": "1"},
        }
    )
    (folder / "index.json").write_text(json.dumps(index | {"annotations": {"kept": "yes"}}))
    (folder / "unknown").write_text("stays")
    assert (
        run(
            filled,
            "save",
            "--format",
            "oci",
            "--referrers",
            "-o",
            str(folder),
            "team/app:1",
            "example.org/other:1",
        ).returncode
        == 0
    )
    index = json.loads((folder / "index.json").read_bytes())
    assert index["annotations"] == {"kept": "yes"}
    entries = [
        (one["digest"], one.get("annotations", {}).get("org.opencontainers.image.ref.name"))
        for one in index["manifests"]
    ]
    assert entries[1] == (digest(b"theirs"), "1")
    assert (made["top"]["digest"], "docker.io/team/app:1") in entries
    assert (made["other"]["digest"], "example.org/other:1") in entries
    assert (folder / "unknown").read_text() == "stays"
    assert {path.name for path in (folder / "blobs" / "sha256").iterdir()} == {
        name[7:] for name in layout.blobs if name.startswith("sha256")
    }
    before = (folder / "index.json").read_bytes()
    assert (
        run(
            filled,
            "save",
            "--format",
            "oci",
            "--referrers",
            "-o",
            str(folder),
            "team/app:1",
            "example.org/other:1",
        ).returncode
        == 0
    )
    assert (folder / "index.json").read_bytes() == before
    assert not list(folder.rglob("*.partial"))


def test_eight_writers_lose_nothing(store: Store, tmp_path: Path) -> None:
    layout = Layout()
    for number in range(8):
        layout.root(
            layout.image(gzip(layer(f"f{number}", b"x" * number)), gzip(A)),
            f"docker.io/library/image{number}:1",
        )
    store.import_archive(io.BytesIO(layout.tar()))
    folder = tmp_path / "layout"
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        done = list(
            pool.map(
                lambda number: run(
                    store, "save", "--format", "oci", "-o", f"{folder}/", f"image{number}:1"
                ),
                range(8),
            )
        )
    # A writer that waits long for another writer reports the wait and prints nothing else.
    said = [
        line
        for one in done
        for line in one.stderr.splitlines()
        if not line.startswith("storectl: waiting for ")
    ]
    assert ([one.returncode for one in done], said) == ([0] * 8, [])
    index = json.loads((folder / "index.json").read_bytes())
    names = {one["annotations"]["io.containerd.image.name"] for one in index["manifests"]}
    assert names == {f"docker.io/library/image{number}:1" for number in range(8)}
    assert (
        len({one["annotations"]["org.opencontainers.image.ref.name"] for one in index["manifests"]})
        == 8
    )
    with Store.open(tmp_path / "other", create=True) as other:
        other.import_archive(folder)
        assert len(other.images()) == 8
        assert list(other.fsck()) == []


def test_a_folder_of_something_else_is_refused(filled: Store, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter").write_text("dear")
    done = run(filled, "save", "--format", "oci", "-o", f"{tmp_path}/home/", "team/app:1")
    assert (done.returncode, "is not an image layout" in done.stderr) == (4, True)
    done = run(filled, "save", "--format", "oci", "-o", f"{tmp_path}/none/here/", "team/app:1")
    assert (done.returncode, "parent folder does not exist" in done.stderr) == (4, True)
    done = run(filled, "save", "--format", "docker", "-o", f"{tmp_path}/home", "team/app:1")
    assert (done.returncode, "only the format oci can be saved to a folder" in done.stderr) == (
        2,
        True,
    )
    folder = tmp_path / "manifest"
    folder.mkdir()
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (folder / "index.json").write_bytes(
        encode(
            {
                "schemaVersion": 2,
                "config": {"mediaType": "a", "digest": digest(b""), "size": 1},
                "layers": [],
            }
        )
    )
    done = run(filled, "save", "--format", "oci", "-o", str(folder), "team/app:1")
    assert (done.returncode, "is not an index" in done.stderr) == (4, True)
    assert "config" in (folder / "index.json").read_text()


def test_damage_leaves_no_half_blob_in_a_folder(filled: Store, tmp_path: Path) -> None:
    one = filled.inspect("team/app:1").layers[2]
    path = filled.blobs.path(one.encodings[0].digest)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)
    folder = tmp_path / "layout"
    assert run(filled, "save", "--format", "oci", "-o", f"{folder}/", "team/app:1").returncode == 5
    assert not (folder / "index.json").exists()
    assert not (folder / "blobs" / str(one.diff_id).replace(":", "/")).exists()
    assert not list(folder.rglob("*.partial"))


@pytest.mark.parametrize("codec", ["gzip", "zstd"])
def test_a_whole_archive_is_compressed(filled: Store, tmp_path: Path, codec: str) -> None:
    path = tmp_path / "archive"
    assert (
        run(
            filled, "save", "--format", "oci", "--compress", codec, "-o", str(path), "team/app:1"
        ).returncode
        == 0
    )
    data = path.read_bytes()
    plain_data = (
        gzip_module.decompress(data)
        if codec == "gzip"
        else zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()
    )
    assert plain_data == save(filled, "team/app:1", format=Format.OCI)
    assert (
        run(
            filled, "save", "--format", "oci", "--compress", codec, "-o", str(path), "team/app:1"
        ).returncode
        == 0
    )
    assert path.read_bytes() == data
    with Store.open(tmp_path / "other", create=True) as other:
        other.import_archive(path)
        assert list(other.fsck()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("--format", "legacy", "--all-platforms"),
        ("--format", "legacy", "--referrers"),
        ("--format", "legacy", "--sparse"),
        ("--format", "legacy", "--layers", "gzip"),
        ("--format", "oci", "--all-platforms", "--platform", "linux/amd64"),
        ("--format", "oci", "--compress", "gzip", "-o", "folder/"),
    ],
)
def test_conflicting_options_are_reported(filled: Store, arguments: tuple[str, ...]) -> None:
    assert run(filled, "save", *arguments, "team/app:1").returncode == 2
