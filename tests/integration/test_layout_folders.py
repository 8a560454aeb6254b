"""Saves of image layouts into folders instead of archives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import exporter
from exporter import Format, Layers, SaveOptions
from store import Store, errors
from tests.support.images import A, E, layer
from tests.support.layouts import (
    CONTAINERD_NAME,
    EMPTY,
    MANIFEST,
    REF_NAME,
    Layout,
    encode,
    gzip,
)

if TYPE_CHECKING:
    from pathlib import Path
from tests.support.saved_layouts import Sample, blobs, files, import_into, save


@pytest.fixture
def sample(store: Store) -> Sample:
    made = Sample()
    import_into(store, made.layout)
    return made


NO_INDEX = {
    "schemaVersion": 2,
    "mediaType": MANIFEST,
    "config": Layout().blob(b"{}", EMPTY),
    "layers": [],
}


def save_folder(store: Store, folder: Path, *names: str, **options: Any) -> None:  # noqa: ANN401 - any option
    with exporter.open_save(
        store, names, options=SaveOptions(format=Format.OCI, **options)
    ) as export:
        export.write_folder(folder)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_new_folder_has_the_files_of_the_archive(
    store: Store, sample: Sample, tmp_path: Path
) -> None:
    save_folder(store, tmp_path / "new", "team/app", referrers=True)
    assert tree(tmp_path / "new") == files(
        save(store, "team/app", format=Format.OCI, referrers=True)
    )
    with Store.open(tmp_path / "other", create=True) as other:
        other.import_archive(tmp_path / "new")
        assert save(other, "team/app", format=Format.OCI, referrers=True) == save(
            store, "team/app", format=Format.OCI, referrers=True
        )
    save_folder(store, tmp_path / "plain", sample.arm64["digest"], layers=Layers.PLAIN)
    assert tree(tmp_path / "plain") == files(
        save(store, sample.arm64["digest"], format=Format.OCI, layers=Layers.PLAIN)
    )


@pytest.mark.usefixtures("sample")
def test_saving_again_changes_nothing(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "layout"
    save_folder(store, folder, "team/app:1")
    before = {
        path: (path.stat().st_mtime_ns, path.stat().st_ino)
        for path in (folder / "blobs").rglob("*")
    }
    index = (folder / "index.json").read_bytes()
    save_folder(store, folder, "team/app:1")
    assert {
        path: (path.stat().st_mtime_ns, path.stat().st_ino)
        for path in (folder / "blobs").rglob("*")
    } == before
    assert (folder / "index.json").read_bytes() == index


def test_a_referrer_that_a_folder_lists_already_gets_its_subject(
    store: Store, tmp_path: Path
) -> None:
    layout = Layout()
    image = layout.root(layout.image(gzip(A)), "docker.io/team/signed:1")
    referrer = layout.root(layout.artifact(b"signed", subject=image))
    import_into(store, layout)
    folder = layout.folder(tmp_path / "layout")
    save_folder(store, folder, "team/signed:1", referrers=True)
    entries = json.loads((folder / "index.json").read_bytes())["manifests"]
    assert [one["digest"] for one in entries] == [image["digest"], referrer["digest"]]
    assert entries[1]["annotations"] == {"io.containerd.manifest.subject": image["digest"]}
    before = tree(folder)
    save_folder(store, folder, "team/signed:1", referrers=True)
    assert tree(folder) == before


def test_a_save_adds_to_a_folder_and_keeps_foreign_entries(
    store: Store, sample: Sample, tmp_path: Path
) -> None:
    theirs = Layout()
    other = theirs.image(E, annotations={"of": "others"})
    theirs.roots = [
        {**other, "annotations": {REF_NAME: "latest"}, "x-unknown": [1, "é"]},
        {**other, "annotations": {CONTAINERD_NAME: "docker.io/team/app:1", REF_NAME: "1"}},
        {**other, "annotations": {REF_NAME: "docker.io/team/app:latest"}},
        other,
    ]
    folder = theirs.folder(tmp_path / "layout")
    (folder / "README").write_bytes(b"mine")
    (folder / "blobs" / "sha256" / "notes.txt").write_bytes(b"mine too")
    index = json.loads((folder / "index.json").read_bytes())
    (folder / "index.json").write_bytes(
        encode({**index, "annotations": {"kept": "yes"}, "x-kept": None})
    )
    save_folder(store, folder, "team/app:1", "team/app:latest")
    after = json.loads((folder / "index.json").read_bytes())
    # The bare tag `latest` belongs to a different image, so the saved image has its full name.
    # Entries with a saved name are replaced in their positions.
    assert after == {
        **index,
        "annotations": {"kept": "yes"},
        "x-kept": None,
        "manifests": [
            theirs.roots[0],
            *(
                {key: sample.top[key] for key in ("mediaType", "digest", "size")}
                | {"annotations": {CONTAINERD_NAME: f"docker.io/team/app:{tag}", REF_NAME: shown}}
                for tag, shown in (("1", "1"), ("latest", "docker.io/team/app:latest"))
            ),
            theirs.roots[3],
        ],
    }
    held = tree(folder)
    assert (held["README"], held["blobs/sha256/notes.txt"]) == (b"mine", b"mine too")
    assert {name for name in held if "partial" in name} == set()
    assert all(
        held[f"blobs/{name.replace(':', '/')}"] == data
        for name, data in {
            **theirs.blobs,
            **blobs(save(store, "team/app:1", format=Format.OCI)),
        }.items()
    )


def test_a_truncated_blob_is_written_again(store: Store, sample: Sample, tmp_path: Path) -> None:
    folder = tmp_path / "layout"
    save_folder(store, folder, "team/app:1")
    blob = folder / "blobs" / sample.arm64["digest"].replace(":", "/")
    blob.write_bytes(b"{")
    save_folder(store, folder, "team/app:1")
    assert blob.read_bytes() == sample.layout.blobs[sample.arm64["digest"]]


def test_a_manifest_without_a_name_is_listed_once(
    store: Store, sample: Sample, tmp_path: Path
) -> None:
    for _ in range(2):
        save_folder(store, tmp_path / "layout", sample.arm64["digest"])
    assert [
        one["digest"]
        for one in json.loads((tmp_path / "layout" / "index.json").read_bytes())["manifests"]
    ] == [sample.arm64["digest"]]


@pytest.mark.usefixtures("sample")
@pytest.mark.parametrize(
    ("there", "error"),
    [
        ({"notes.txt": b"x"}, errors.InvalidInput),
        ({"oci-layout": b"{}", "index.json": b"{"}, errors.InvalidDocument),
        ({"oci-layout": b"{}", "index.json": encode(NO_INDEX)}, errors.InvalidDocument),
    ],
)  # fmt: skip
def test_a_folder_of_something_else_is_left_alone(
    store: Store, tmp_path: Path, there: dict[str, bytes], error: type[errors.StoreError]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, data in there.items():
        (folder / name).write_bytes(data)
    with pytest.raises(error):
        save_folder(store, folder, "team/app:1")
    assert {
        name: data for name, data in tree(folder).items() if not name.startswith("blobs/")
    } == there
    with pytest.raises(errors.InvalidInput):
        save_folder(store, tmp_path / "no" / "such" / "folder", "team/app:1")


@pytest.mark.usefixtures("sample")
def test_leftovers_of_a_killed_process_are_replaced(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "layout"
    (folder / "blobs").mkdir(parents=True)
    (folder / ".storectl-abc.partial").write_bytes(b'{"image')
    save_folder(store, folder, "team/app:1")
    assert (folder / "oci-layout").read_bytes() == b'{"imageLayoutVersion": "1.0.0"}'


def test_no_half_written_layout_is_left(
    store: Store, sample: Sample, root: Path, tmp_path: Path
) -> None:
    name = json.loads(sample.layout.blobs[sample.arm64["digest"]])["layers"][1][
        "digest"
    ].removeprefix("sha256:")
    (path,) = (root / "blobs").rglob(name)
    path.chmod(0o600)
    path.write_bytes(bytes(path.stat().st_size))
    folder = tmp_path / "layout"
    with pytest.raises(errors.DamagedContent):
        save_folder(store, folder, "team/app:1")
    assert not folder.exists()


def test_only_a_layout_can_be_a_folder(store: Store, sample: Sample, tmp_path: Path) -> None:
    with (
        exporter.open_save(
            store, [sample.amd64["digest"]], options=SaveOptions(format=Format.DOCKER)
        ) as export,
        pytest.raises(errors.InvalidInput),
    ):
        export.write_folder(tmp_path / "folder")


def test_eight_processes_saving_into_one_folder_lose_nothing(
    store: Store, root: Path, tmp_path: Path
) -> None:
    layout = Layout()
    names = [f"docker.io/library/one{number}:1" for number in range(8)]
    images = [
        layout.root(layout.image(gzip(A), gzip(layer(f"{number}", os.urandom(200_000)))), name)
        for number, name in enumerate(names)
    ]
    import_into(store, layout)
    folder = tmp_path / "layout"
    code = (
        "import sys; sys.stdin.read(1); from storectl import cli; sys.exit(cli.run(sys.argv[1:]))"
    )
    writers = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                code,
                "--root",
                str(root),
                "save",
                "--quiet",
                "--format",
                "oci",
                "-o",
                f"{folder}/",
                name,
            ],
            stdin=subprocess.PIPE,
        )
        for name in names
    ]
    for one in writers:
        assert one.stdin is not None
        one.stdin.write(b"x")
        one.stdin.close()
    assert [one.wait(500) for one in writers] == [0] * 8
    entries = json.loads((folder / "index.json").read_bytes())["manifests"]
    assert {one["annotations"][CONTAINERD_NAME]: one["digest"] for one in entries} == {
        name: one["digest"] for name, one in zip(names, images, strict=True)
    }
    assert len(entries) == 8
    with Store.open(tmp_path / "other", create=True) as other:
        other.import_archive(folder)
        assert len(other.images()) == 8
        assert list(other.fsck()) == []
