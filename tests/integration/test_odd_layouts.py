"""Commands import and show layouts of unusual forms and damaged layouts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text

from store import Choice, ImageFilter, ImportOptions, Reference, Store, errors
from store.model.contents import DiffState
from tests.support.images import A, B, config
from tests.support.layouts import (
    LAYER,
    MANIFEST,
    Blob,
    Layout,
    digest,
    encode,
    foreign,
    gzip,
    plain,
    zstd,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from store.importing.report import ImportReport
from tests.support.imported_layouts import (
    LARGE,
    C,
    assert_has_all,
    content,
    entry,
    everything,
    hybrid,
    import_into,
    importer_from,
    sources,
)


@pytest.fixture(params=["pipe", "file", "folder"])
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Store, Layout], ImportReport]:
    """Return a function that imports a layout from a pipe, a file or a folder."""

    return importer_from(request.param, tmp_path)


def test_a_dir_folder_is_one_image_without_a_name(store: Store, tmp_path: Path) -> None:
    layout = Layout()
    layout.root(layout.index(layout.image(gzip(A)), layout.image(gzip(B), platform="linux/arm64")))
    folder = layout.dir_folder(tmp_path / "dir")
    (folder / "signature-1").write_bytes(b"PGP")
    report = store.import_archive(
        folder, ImportOptions(choice=Choice(tag=Reference.parse("from/dir:1")))
    )
    assert report.lines == ("Loaded image: from/dir:1",)
    assert report.notes == ("the signatures in the folder were not imported",)
    assert_has_all(store, layout)


def test_a_dir_folder_with_other_digests_than_sha256_is_imported(
    store: Store, tmp_path: Path
) -> None:
    layout = Layout()
    images = [
        layout.image(gzip(one), platform=platform, algorithm="sha512")
        for one, platform in ((A, "linux/amd64"), (LARGE, "linux/arm64"))
    ]
    layout.root(layout.index(*images))
    folder = layout.dir_folder(tmp_path / "dir")
    assert (folder / f"{images[0]['digest'].replace(':', '-')}.manifest.json").exists()
    store.import_archive(folder)
    assert_has_all(store, layout)


def test_an_unpacked_docker_archive_is_imported(store: Store, tmp_path: Path) -> None:
    (tmp_path / "image" / "x").mkdir(parents=True)
    (tmp_path / "image" / "x" / "layer.tar").write_bytes(A)
    (tmp_path / "image" / "again.tar").symlink_to("x/layer.tar")
    (tmp_path / "image" / "c").write_bytes(config(A, A))
    (tmp_path / "image" / "manifest.json").write_bytes(
        encode([{"Config": "c", "RepoTags": ["u:1"], "Layers": ["x/layer.tar", "again.tar"]}])
    )
    assert store.import_archive(tmp_path / "image").lines == ("Loaded image: u:1",)


def test_a_hybrid_has_manifests_of_the_index_and_names_of_manifest_json(store: Store) -> None:
    layout = Layout()
    amd64, arm64 = layout.image(gzip(A), gzip(B)), layout.image(gzip(A), platform="linux/arm64")
    top = layout.root(layout.index(amd64, arm64), "docker.io/team/old:1")
    other = layout.root(layout.image(gzip(C)), "docker.io/team/other:1")
    hybrid(layout, entry(layout, amd64, "team/app:1", "team/app:2"))
    report = import_into(store, layout)
    assert report.lines == (
        "Loaded image: team/app:1",
        "Loaded image: team/app:2",
        "Loaded image: team/other:1",
    )
    assert {str(tag.manifest) for tag in report.tags} == {top["digest"], other["digest"]}
    assert all(len(image.manifests) == 1 for image in store.images())
    assert_has_all(store, layout)
    assert not import_into(store, layout).changed


def test_layers_that_docker_25_0_0_put_out_of_order_are_imported(store: Store) -> None:
    layout = Layout()
    image = layout.image(plain(A), plain(B), plain(A))
    right = entry(layout, image, "flawed:1")
    document = json.loads(layout.blobs.pop(image["digest"]))
    document["layers"] = document["layers"][1::-1]
    layout.root(layout.document(document, MANIFEST), "docker.io/library/flawed:1")
    hybrid(layout, right)
    report = import_into(store, layout)
    assert report.lines == ("Loaded image: flawed:1",)
    assert "a bug in Docker 25.0.0" in report.notes[0]
    assert [str(one.diff_id) for one in store.inspect("flawed:1").layers] == [
        digest(A),
        digest(B),
        digest(A),
    ]
    assert store.inspect("flawed:1").manifests[0].deterministic


def test_an_image_without_a_tag_may_be_missing_from_the_index_of_a_hybrid(
    store: Store, way: Callable[[Store, Layout], ImportReport]
) -> None:
    # Docker 25 to 28 leaves an image without a tag out of the index, unless the image is the first.
    layout = Layout()
    tagged, untagged = layout.image(plain(A), plain(B)), layout.image(plain(B))
    layout.root(tagged, "docker.io/library/one:1")
    hybrid(layout, entry(layout, tagged, "one:1"), entry(layout, untagged) | {"RepoTags": None})
    report = way(store, layout)
    image_id = json.loads(layout.blobs[untagged["digest"]])["config"]["digest"]
    assert report.lines == ("Loaded image: one:1", f"Loaded image ID: {image_id}")
    assert store.inspect(image_id).manifests[0].deterministic
    assert [str(one.diff_id) for one in store.inspect(image_id).layers] == [digest(B)]


def test_parents_and_foreign_sources_of_a_hybrid_stay(store: Store) -> None:
    layout = Layout()
    parent, child = layout.image(plain(A)), layout.image(plain(A), plain(B))
    for image, name in ((parent, "p:1"), (child, "c:1")):
        layout.root(image, f"docker.io/library/{name}")
    image_id = json.loads(layout.blobs[parent["digest"]])["config"]["digest"]
    source = {
        "mediaType": LAYER,
        "digest": digest(A),
        "size": len(A),
        "urls": ["https://example.org/a"],
    }
    hybrid(
        layout,
        entry(layout, parent, "p:1"),
        entry(layout, child, "c:1") | {"Parent": image_id, "LayerSources": {digest(A): source}},
    )
    import_into(store, layout)
    details = store.inspect("c:1")
    assert str(details.parent) == image_id
    assert details.layers[0].urls == ("https://example.org/a",)


def test_a_layer_that_contradicts_the_config_is_kept_with_a_note(
    store: Store, way: Callable[[Store, Layout], ImportReport]
) -> None:
    layout = Layout()
    layout.root(layout.image(Blob(A, gzip(B).data, "+gzip")))
    report = way(store, layout)
    (image,) = store.images()
    assert any("contradict its config" in str(note) for note in report.notes), report.notes
    assert store.verify_image(image.image_id) is DiffState.MISMATCH


def test_damage_is_found(store: Store, way: Callable[[Store, Layout], ImportReport]) -> None:
    layout = Layout()
    layout.root(layout.image(plain(LARGE)))
    layout.blobs[digest(LARGE)] = LARGE[:-3] + b"bad"
    with pytest.raises(errors.DigestMismatch) as caught:
        way(store, layout)
    assert str(caught.value.want) == digest(LARGE)
    assert list(store.blobs.digests()) == []


@pytest.mark.parametrize("swapped", [False, True])
def test_every_url_of_a_foreign_layer_is_kept_in_any_order(
    store: Store,
    swapped: bool,
) -> None:
    layout = Layout()
    blobs = [
        foreign(gzip(A), "https://example.org/gzip"),
        foreign(zstd(A), "https://example.org/zstd"),
    ]
    for number, blob in enumerate(reversed(blobs) if swapped else blobs):
        layout.root(
            layout.image(blob, annotations={"number": str(number)}),
            f"docker.io/library/foreign:{number}",
        )
    import_into(store, layout)
    with store.read() as connection:
        rows = connection.execute(
            text(
                "SELECT descriptor FROM foreign_source f JOIN content c ON c.id = f.content_id"
                " WHERE c.digest = :d"
            ),
            {"d": digest(A)},
        )
        assert sorted(json.loads(row.descriptor)["urls"][0] for row in rows) == [
            "https://example.org/gzip",
            "https://example.org/zstd",
        ]


def test_a_list_shows_indexes_by_image_and_artifacts_by_digest(store: Store) -> None:
    layout = everything()
    import_into(store, layout)
    shown = {tuple(str(tag.reference) for tag in image.references) for image in store.images()}
    assert shown == {
        ("docker.io/team/app:1", "docker.io/team/app:latest"),
        ("example.org/other:512",),
    }
    everywhere = store.images(ImageFilter(include_intermediate=True))
    assert [
        (image.dangling, image.intermediate) for image in everywhere if not image.references
    ] == [(False, True)] * 2
    assert store.images(ImageFilter(dangling=True)) == ()
    assert store.manifests() == ()
    signature = layout.roots[2]["digest"]
    store.tag(signature, "signed:1")
    (artifact,) = store.manifests()
    assert (str(artifact.digest), artifact.kind, artifact.artifact_type) == (
        signature,
        "manifest",
        "application/vnd.sig",
    )
    assert [name.familiar for name in artifact.references] == ["signed:1"]
    assert str(artifact.subject) == layout.roots[0]["digest"]
    assert [
        store.manifests(filters)
        for filters in (
            ImageFilter(dangling=True),
            ImageFilter(labels=("x",)),
            ImageFilter(references=("other*",)),
        )
    ] == [()] * 3
    assert store.manifests(ImageFilter(references=("sig*",), dangling=False)) == (artifact,)
    contents = store.inspect_manifest("signed:1")
    assert [link.role for link in contents.links] == ["config", "layer"]
    assert [str(digest) for digest in contents.referrers] == [layout.roots[3]["digest"]]
    index = store.inspect_manifest(f"team/app@{layout.roots[0]['digest']}")
    assert [link.state.value for link in index.links] == ["present"] * 4 + ["absent"]
    assert store.inspect_manifest(str(everywhere[0].image_id)).summary.kind == "manifest"
    with pytest.raises(errors.ImageNotFound):
        store.inspect_manifest("nothing")


def test_an_index_goes_with_its_last_name_and_its_own_content(store: Store) -> None:
    layout = everything()
    import_into(store, layout)
    top = layout.roots[0]["digest"]
    store.tag("team/app:1", "copy:1")
    assert [one.kind for one in store.remove("copy:1")] == ["untagged"]
    with pytest.raises(errors.ImageInUse):
        store.tag("team/app:1", "copy:1")
        store.remove(top)
    removed = [(one.kind, one.name) for one in store.remove(top, force=True)]
    assert removed[:4] == [
        ("untagged", "copy:1"),
        ("untagged", "team/app:1"),
        ("untagged", "team/app:latest"),
        ("deleted", top),
    ]
    assert len(removed) == 7
    assert [
        str(image.references[0].reference)
        for image in store.images(ImageFilter(include_intermediate=True))
    ] == ["example.org/other:512"]
    store.collect()
    assert sources(store, layout.roots[2]["digest"]) is None
    assert list(store.fsck()) == []
    assert content(store, layout.roots[4]["digest"])


def test_content_of_another_index_stays(store: Store) -> None:
    layout = Layout()
    shared, own = layout.image(gzip(A)), layout.image(gzip(B), platform="linux/arm64")
    layout.root(layout.index(shared, own), "docker.io/library/one:1")
    layout.root(layout.index(shared), "docker.io/library/two:1")
    import_into(store, layout)
    names = [one.name for one in store.remove("one:1")]
    assert names[:2] == ["one:1", layout.roots[0]["digest"]]
    assert len(names) == 3
    store.collect()
    assert [str(image.references[0].reference) for image in store.images()] == [
        "docker.io/library/two:1"
    ]
    assert list(store.fsck()) == []


def test_the_command_line_shows_artifacts_and_indexes(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    from storectl import cli

    layout = Layout()
    image = layout.image(gzip(A))
    top = layout.root(layout.index(image), "docker.io/team/app:1")
    layout.root(layout.artifact(b"signed", subject=top), "docker.io/team/app:signed")
    import_into(store, layout)

    def run(*arguments: str) -> str:
        assert cli.run(["--root", str(store.root), *arguments]) == 0
        return capsys.readouterr().out

    lines = [line.split() for line in run("images").splitlines()]
    assert [line[:3] for line in lines[1:]] == [
        ["team/app", "1", str(store.images()[0].image_id)[7:19]],
        ["team/app", "signed", layout.roots[1]["digest"][7:19]],
    ]
    assert layout.roots[1]["digest"] in run("images", "--digests", "--no-trunc")
    artifact = json.loads(run("images", "--json"))[1]
    assert (artifact.get("Id"), artifact["Kind"], artifact["Subject"]) == (
        None,
        "manifest",
        top["digest"],
    )
    (shown,) = json.loads(run("inspect", "team/app:signed"))
    assert (shown["ArtifactType"], shown["Subject"], shown["RepoTags"]) == (
        "application/vnd.example.thing",
        top["digest"],
        ["team/app:signed"],
    )
    (index,) = json.loads(run("inspect", top["digest"]))
    assert index["Links"][0]["Platform"] == {"os": "linux", "architecture": "amd64"}
    assert index["Referrers"] == [layout.roots[1]["digest"]]
