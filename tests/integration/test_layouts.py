"""OCI layouts, ``dir:`` folders and hybrids, taken in through the public door: what comes in has the digests it had."""

from __future__ import annotations

import io
import json
import lzma
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from store import Choice, Digest, ImageFilter, ImportOptions, Platform, Reference, Store, errors
from store.model.contents import ContentState
from store.model.remedies import Note, Remedy
from tests.support.images import A, Archive, B, E, config, layer
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
    from store.model.contents import Sources

C = layer("c.txt", b"gamma\n")
LARGE = layer("large", b"0123456789abcdef" * 20_000)


def take(store: Store, layout: Layout, *, options: ImportOptions | None = None) -> ImportReport:
    return store.import_archive(io.BytesIO(layout.tar()), options)


def sources(store: Store, name: str) -> Sources | None:
    return store.sources((Digest.parse(name),)).get(Digest.parse(name))


def content(store: Store, name: str) -> bytes:
    """The bytes the store has under a digest."""
    found = sources(store, name)
    assert found is not None, name
    with store.reader() as reader:
        return b"".join(reader.chunks(found))


def assert_has_all(store: Store, layout: Layout) -> None:
    for name, data in layout.blobs.items():
        assert content(store, name) == data
    assert list(store.fsck()) == []


@pytest.fixture(params=["pipe", "file", "folder"])
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Store, Layout], ImportReport]:
    """Each way for a layout to come in."""

    def by(store: Store, layout: Layout) -> ImportReport:
        if request.param == "pipe":
            return store.import_archive(io.BytesIO(layout.tar()))
        if request.param == "folder":
            return store.import_archive(layout.folder(tmp_path / "layout"))
        path = tmp_path / "layout.tar"
        path.write_bytes(layout.tar())
        return store.import_archive(path)

    return by


def everything() -> Layout:
    """An index with three platforms, attestations, an absent platform, a signature, a referrer of the referrer, and sha512."""
    layout = Layout()
    amd64 = layout.image(
        gzip(A), zstd(B), plain(LARGE), platform="linux/amd64", annotations={"made": "here"}
    )
    arm64 = layout.image(gzip(A), gzip(C), platform="linux/arm64/v8")
    windows = layout.image(gzip(E), platform="windows/amd64", config={"os.version": "10.0.17763.1"})
    top = layout.index(
        amd64,
        layout.attestation(amd64),
        arm64,
        windows,
        layout.absent("linux/s390x"),
        annotations={"org.example": "x"},
    )
    layout.root(top, "docker.io/team/app:1", "docker.io/team/app:latest")
    signature = layout.root(
        layout.artifact(b"signed " * 20_000, subject=top, artifact_type="application/vnd.sig")
    )
    layout.root(layout.artifact(b"about the signature", subject=signature))
    layout.root(
        layout.image(gzip(A), platform="linux/riscv64", algorithm="sha512"), "example.org/other:512"
    )
    return layout


def test_everything_comes_in_with_its_digest(
    store: Store, way: Callable[[Store, Layout], ImportReport]
) -> None:
    layout = everything()
    report = way(store, layout)
    assert report.lines == (
        "Loaded image: team/app:1",
        "Loaded image: team/app:latest",
        "Loaded image: example.org/other:512",
        f"Loaded manifest: {layout.roots[2]['digest']}",
        f"Loaded manifest: {layout.roots[3]['digest']}",
    )
    assert [note for note in report.notes if "sparse" in note and "linux/s390x" in note]
    assert len(report.images) == 4
    assert_has_all(store, layout)
    again = way(store, layout)
    assert (again.changed, again.new_layers, again.new_images) == (False, 0, 0)
    assert again.read_bytes in (0, report.read_bytes)


def test_a_layer_in_two_encodings_is_one_diff(store: Store) -> None:
    layout = Layout()
    layout.root(layout.image(gzip(A)), "a:gzip")
    layout.root(layout.image(zstd(A)), "a:zstd")
    layout.root(layout.image(plain(A)), "a:plain")
    take(store, layout)
    found = sources(store, digest(A))
    assert found is not None
    assert {encoding.codec for encoding in found.encodings} == {"gzip", "zstd"}
    assert {digest(gzip(A).data), digest(zstd(A).data)} < {
        str(encoding.digest) for encoding in found.encodings
    }
    (image,) = store.images()
    assert len(image.references) == 3
    assert len(image.manifests) == 3
    assert_has_all(store, layout)


def test_media_types_lie_and_bytes_do_not(store: Store) -> None:
    # Docker's own push calls a plain layer gzip.
    layout = Layout()
    layout.root(
        layout.image(Blob(A, A, "+gzip"), Blob(B, zstd(B).data, "+gzip"), Blob(C, gzip(C).data)),
        "liar:1",
    )
    take(store, layout)
    assert store.inspect("liar:1").size_bytes == len(A) + len(B) + len(C)
    assert_has_all(store, layout)


def test_an_xz_layer_that_a_manifest_names_stays_as_it_is(
    store: Store, way: Callable[[Store, Layout], ImportReport]
) -> None:
    layout = Layout()
    layout.root(layout.image(Blob(LARGE, lzma.compress(LARGE))), "xz:1")
    assert way(store, layout).changed
    assert content(store, digest(LARGE)) == LARGE
    assert_has_all(store, layout)
    assert not way(store, layout).changed


def test_large_blobs_that_are_no_layers_come_through_a_pipe(store: Store) -> None:
    layout = Layout()
    broken = gzip(LARGE).data[:-5] + b"wrong" + bytes(100_000)
    layout.root(
        layout.artifact(
            b'{"a":1}' * 40_000,
            broken,
            LARGE,
            gzip(LARGE).data,
            lzma.compress(LARGE * 10) + bytes(200_000),
        ),
        "artifact:1",
    )
    report = take(store, layout)
    assert report.lines == ("Loaded image: artifact:1",)
    assert report.images == ()
    assert_has_all(store, layout)
    assert not take(store, layout).changed


def test_what_is_embedded_need_not_be_a_file(store: Store) -> None:
    import base64

    layout = Layout()
    image = layout.image(gzip(A))
    document = json.loads(layout.blobs[image["digest"]])
    for link in (document["config"], *document["layers"]):
        link["data"] = base64.b64encode(layout.blobs.pop(link["digest"])).decode()
    embedded = layout.document(document, MANIFEST)
    layout.root(embedded, "docker.io/library/e:1")
    take(store, layout)
    assert content(store, digest(A)) == A


def test_only_what_is_new_has_to_be_in_the_archive(store: Store) -> None:
    first, second = Layout(), Layout()
    first.root(first.image(gzip(A)), "docker.io/library/a:1")
    take(store, first)
    second.root(
        second.index(second.image(gzip(A), gzip(B)), second.image(gzip(A))), "docker.io/library/a:2"
    )
    for name in first.blobs:
        second.blobs.pop(name, None)
    report = take(store, second)
    assert (report.new_images, report.new_layers) == (1, 1)
    assert list(store.fsck()) == []
    second.blobs.pop(digest(gzip(B).data))
    with Store.open(store.root.parent / "other", create=True) as empty:
        with pytest.raises(errors.InvalidInput, match="neither in the archive nor in the store"):
            take(empty, second)
        assert empty.images() == ()


def test_everything_that_is_missing_is_listed(store: Store) -> None:
    layout = Layout()
    layout.root(
        layout.index(
            layout.image(gzip(A), gzip(B)),
            layout.image(gzip(A), platform="linux/arm64"),
            layout.artifact(b"note"),
        )
    )
    gone = [digest(gzip(A).data), digest(b"note")]
    for name in gone:
        del layout.blobs[name]
    with pytest.raises(errors.MissingBlobs) as caught:
        take(store, layout)
    assert [str(missing) for _, _, missing in caught.value.missing] == [gone[0], gone[0], gone[1]]
    assert all(name in caught.value.message for name in gone)


def test_a_foreign_layer_may_stay_away(store: Store) -> None:
    layout = Layout()
    image = layout.image(gzip(A), gzip(B))
    document = json.loads(layout.blobs[image["digest"]])
    document["layers"][0] |= {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "urls": ["https://example.org/a"],
    }
    del layout.blobs[document["layers"][0]["digest"]]
    layout.root(layout.document(document, MANIFEST), "docker.io/library/foreign:1")
    take(store, layout)
    details = store.inspect("foreign:1")
    assert [(one.state, one.urls) for one in details.layers] == [
        (ContentState.ABSENT, ("https://example.org/a",)),
        (ContentState.PRESENT, ()),
    ]
    assert not take(store, layout).changed
    # Somebody has it after all.
    store.import_archive(
        io.BytesIO(
            Archive()
            .file("l", A)
            .file("c", config(A))
            .manifest({"Config": "c", "RepoTags": None, "Layers": ["l"]})
            .bytes()
        )
    )
    assert store.inspect("foreign:1").layers[0].state is ContentState.PRESENT


def test_a_tag_keeps_the_manifest_it_came_with(store: Store) -> None:
    layout = Layout()
    image = layout.image(gzip(A))
    layout.root(
        layout.index(image, layout.image(gzip(B), platform="linux/arm64")), "docker.io/team/app:1"
    )
    take(store, layout)
    config_bytes = layout.blobs[json.loads(layout.blobs[image["digest"]])["config"]["digest"]]
    docker = (
        Archive()
        .file("l", A)
        .file("c", config_bytes)
        .manifest({"Config": "c", "RepoTags": ["team/app:1"], "Layers": ["l"]})
        .bytes()
    )
    report = store.import_archive(io.BytesIO(docker))
    assert report.lines == ("Loaded image: team/app:1",)
    assert not report.changed
    (tag,) = store.inspect("team/app:1").references
    assert str(tag.manifest) == layout.roots[0]["digest"]


def test_a_tag_moves_to_another_manifest_of_the_same_image_without_a_word(store: Store) -> None:
    one, two = Layout(), Layout()
    one.root(one.image(gzip(A)), "docker.io/team/app:1")
    two.root(two.image(zstd(A)), "docker.io/team/app:1")
    take(store, one)
    report = take(store, two)
    assert report.lines == ("Loaded image: team/app:1",)
    assert report.changed
    (tag,) = store.inspect("team/app:1").references
    assert str(tag.manifest) == two.roots[0]["digest"]


def test_referrers_live_as_long_as_what_they_refer_to(store: Store) -> None:
    layout = Layout()
    image = layout.root(layout.image(gzip(A)), "docker.io/team/app:1")
    signature = layout.root(layout.artifact(b"signed", subject=image))
    alone = layout.root(layout.artifact(b"about nothing here", subject=layout.absent()))
    take(store, layout)
    store.collect(dangling=True)
    assert content(store, signature["digest"])
    assert sources(store, alone["digest"]) is None
    store.remove("team/app:1")
    store.collect(dangling=True)
    assert sources(store, signature["digest"]) is None
    assert list(store.blobs.digests()) == []
    assert list(store.fsck()) == []


# --- names ----------------------------------------------------------------------------------------


def test_names_are_read_as_their_writers_mean_them(store: Store) -> None:
    layout = Layout()
    layout.root(
        layout.image(A), **{"org.opencontainers.image.ref.name": "docker.io/library/skopeo:1"}
    )
    layout.root(layout.image(B), **{"org.opencontainers.image.ref.name": "podman:2"})
    layout.root(layout.image(C), **{"org.opencontainers.image.ref.name": "1.4"})
    layout.root(
        layout.image(E),
        **{"io.containerd.image.name": "Not A Name", "org.opencontainers.image.ref.name": "x"},
    )
    layout.root(
        layout.image(A, B), **{"io.containerd.image.name": f"docker.io/library/d@{digest(b'')}"}
    )
    layout.root(layout.image(A, C), **{"org.opencontainers.image.ref.name": "not a tag"})
    report = take(store, layout)
    assert [tag.reference.familiar for tag in report.tags] == ["skopeo:1", "podman:2"]
    notes = "\n".join(report.notes)
    assert "only the tag 1.4" in notes
    assert [note.remedy for note in report.notes if isinstance(note, Note)] == [
        Remedy.NAME_BARE_TAG
    ]
    assert "'Not A Name' is no name" in notes
    assert "'not a tag' is no name" in notes
    assert len(report.lines) == 6


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        (
            Choice(prefix="mirror.local/x"),
            {
                "mirror.local/x/team/app:1",
                "mirror.local/x/example.org/other:1",
                "mirror.local/x:bare",
            },
        ),
        (Choice(prefix="team/"), {"team/team/app:1", "team/example.org/other:1", "team:bare"}),
        (Choice(no_tags=True), set()),
        (Choice(images=("team/*",)), {"team/app:1"}),
        (Choice(images=("example.org/other", "bare")), {"example.org/other:1"}),
        (Choice(images=("*/app:1",), tag=Reference.parse("new:name")), {"new:name"}),
        (Choice(images=("*/app:1",), prefix="p"), {"p/team/app:1"}),
    ],
)
def test_names_can_be_chosen_and_changed(store: Store, choice: Choice, names: set[str]) -> None:
    layout = Layout()
    app = layout.root(layout.image(A), "docker.io/team/app:1")
    layout.root(layout.artifact(b"signed", subject=app))
    layout.root(layout.image(B), "example.org/other:1")
    layout.root(layout.image(C), **{"org.opencontainers.image.ref.name": "bare"})
    report = take(store, layout, options=ImportOptions(choice=choice))
    assert {tag.reference.familiar for tag in report.tags} == names
    docker = (
        Archive()
        .file("l", A)
        .file("c", config(A))
        .manifest({"Config": "c", "RepoTags": ["team/app:1"], "Layers": ["l"]})
        .bytes()
    )
    if choice.tag is not None or choice.prefix:
        again = store.import_archive(
            io.BytesIO(docker), ImportOptions(choice=Choice(tag=choice.tag, prefix=choice.prefix))
        )
        assert {tag.reference.familiar for tag in again.tags} <= names | {"p/team/app:1"}


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        (Choice(images=("nothing", "team/*")), "nothing in the archive is called nothing"),
        (Choice(tag=Reference.parse("one:name")), "the 3 images of the archive"),
        (Choice(prefix="Bad"), "invalid prefix 'Bad'"),
        (
            Choice(platforms=(Platform.parse("linux/s390x"),)),
            "nothing in the archive is for linux/s390x",
        ),
    ],
)
def test_what_cannot_be_chosen_is_an_error(store: Store, choice: Choice, text: str) -> None:
    layout = Layout()
    for position, one in enumerate((A, B, C)):
        layout.root(layout.image(one), f"docker.io/team/app:{position}")
    with pytest.raises(errors.InvalidInput) as caught:
        take(store, layout, options=ImportOptions(choice=choice))
    assert text in caught.value.message
    assert caught.value.hint or caught.value.remedy
    assert store.images() == ()


def test_an_image_is_found_by_its_id_too(store: Store) -> None:
    layout = Layout()
    wanted = layout.root(layout.image(A))
    layout.root(layout.image(B), "docker.io/library/b:1")
    image_id = json.loads(layout.blobs[wanted["digest"]])["config"]["digest"]
    for pattern in (image_id, image_id[7:19], wanted["digest"]):
        with Store.open(store.root.parent / pattern[-9:], create=True) as empty:
            report = take(empty, layout, options=ImportOptions(choice=Choice(images=(pattern,))))
            assert [str(one) for one in report.images] == [image_id]


def test_an_old_name_is_not_stolen_unless_that_is_meant(store: Store) -> None:
    one, two = Layout(), Layout()
    one.root(one.image(A), "docker.io/team/app:1")
    two.root(two.image(B), "docker.io/team/app:1")
    first = take(store, one)
    with pytest.raises(errors.NameTaken) as caught:
        take(store, two, options=ImportOptions(clobber=False))
    assert caught.value.names == ("team/app:1",)
    assert [image.image_id for image in store.images()] == list(first.images)
    assert not list((store.root / "staging").iterdir())
    take(store, one, options=ImportOptions(clobber=False))
    report = take(store, two)
    assert (
        report.lines[0]
        == f"The image team/app:1 already exists, renaming the old one with ID {first.images[0]} to"
        " empty string"
    )


def test_a_rehearsal_says_it_all_and_leaves_nothing(store: Store) -> None:
    layout = everything()
    before = sorted(store.root.rglob("*"))
    report = take(store, layout, options=ImportOptions(dry_run=True))
    assert report.changed
    assert report.new_images == 4
    assert store.images() == ()
    assert [
        path for path in sorted(store.root.rglob("*")) if path.suffix not in (".db-wal", ".db-shm")
    ] == [path for path in before if path.suffix not in (".db-wal", ".db-shm")] or list(
        store.blobs.digests()
    ) == []
    assert list(store.events()) == []
    assert take(store, layout).lines == report.lines


# --- platforms ------------------------------------------------------------------------------------


def test_a_platform_comes_in_with_its_index_and_attestation(store: Store) -> None:
    layout = everything()
    report = take(
        store,
        layout,
        options=ImportOptions(
            choice=Choice(
                platforms=(Platform.parse("linux/amd64"), Platform.parse("linux/riscv64"))
            )
        ),
    )
    assert {tag.reference.familiar for tag in report.tags} == {
        "team/app:1",
        "team/app:latest",
        "example.org/other:512",
    }
    assert len(report.images) == 2
    (note,) = report.notes
    assert "linux/arm64" in note
    assert "windows(10.0.17763.1)" not in note
    assert str(store.inspect("team/app:1").references[0].manifest) in {
        root["digest"] for root in layout.roots
    }
    assert list(store.fsck()) == []
    with pytest.raises(errors.InvalidInput, match="not everything that the indexes list is here"):
        take(store, layout, options=ImportOptions(choice=Choice(require_all=True)))


def test_docker_archives_have_platforms_too(store: Store) -> None:
    made = Archive().file("a", A).file("b", B)
    for name, one, architecture in (("a", A, "amd64"), ("b", B, "arm64")):
        made.file(f"{name}.json", config(one, architecture=architecture))
    entries = [
        {"Config": f"{name}.json", "RepoTags": [f"{name}:1"], "Layers": [name]} for name in "ab"
    ]
    data = made.manifest(*entries).bytes()
    report = store.import_archive(
        io.BytesIO(data), ImportOptions(choice=Choice(platforms=(Platform.parse("linux/aarch64"),)))
    )
    # The builder's own architecture stands before the member that overrides it.
    assert [tag.reference.familiar for tag in report.tags] == ["b:1"]


# --- other shapes ---------------------------------------------------------------------------------


def test_a_dir_folder_is_one_image_without_a_name(store: Store, tmp_path: Path) -> None:
    layout = Layout()
    layout.root(layout.index(layout.image(gzip(A)), layout.image(gzip(B), platform="linux/arm64")))
    folder = layout.dir_folder(tmp_path / "dir")
    (folder / "signature-1").write_bytes(b"PGP")
    report = store.import_archive(
        folder, ImportOptions(choice=Choice(tag=Reference.parse("from/dir:1")))
    )
    assert report.lines == ("Loaded image: from/dir:1",)
    assert report.notes == ("the signatures in the folder are not taken in",)
    assert_has_all(store, layout)


def test_an_unpacked_docker_archive_is_taken_in(store: Store, tmp_path: Path) -> None:
    (tmp_path / "image" / "x").mkdir(parents=True)
    (tmp_path / "image" / "x" / "layer.tar").write_bytes(A)
    (tmp_path / "image" / "again.tar").symlink_to("x/layer.tar")
    (tmp_path / "image" / "c").write_bytes(config(A, A))
    (tmp_path / "image" / "manifest.json").write_bytes(
        encode([{"Config": "c", "RepoTags": ["u:1"], "Layers": ["x/layer.tar", "again.tar"]}])
    )
    assert store.import_archive(tmp_path / "image").lines == ("Loaded image: u:1",)


def hybrid(layout: Layout, *entries: dict[str, Any]) -> Layout:
    layout.files["manifest.json"] = encode(list(entries))
    return layout


def entry(layout: Layout, image: dict[str, Any], *tags: str) -> dict[str, Any]:
    document = json.loads(layout.blobs[image["digest"]])
    path = [
        f"blobs/{link['digest'].replace(':', '/')}"
        for link in (document["config"], *document["layers"])
    ]
    return {"Config": path[0], "RepoTags": list(tags) or None, "Layers": path[1:]}


def test_a_hybrid_has_manifests_of_the_index_and_names_of_manifest_json(store: Store) -> None:
    layout = Layout()
    amd64, arm64 = layout.image(gzip(A), gzip(B)), layout.image(gzip(A), platform="linux/arm64")
    top = layout.root(layout.index(amd64, arm64), "docker.io/team/old:1")
    other = layout.root(layout.image(gzip(C)), "docker.io/team/other:1")
    hybrid(layout, entry(layout, amd64, "team/app:1", "team/app:2"))
    report = take(store, layout)
    assert report.lines == (
        "Loaded image: team/app:1",
        "Loaded image: team/app:2",
        "Loaded image: team/other:1",
    )
    assert {str(tag.manifest) for tag in report.tags} == {top["digest"], other["digest"]}
    assert all(len(image.manifests) == 1 for image in store.images())
    assert_has_all(store, layout)
    assert not take(store, layout).changed


def test_docker_25_0_0_put_layers_out_of_order(store: Store) -> None:
    layout = Layout()
    image = layout.image(plain(A), plain(B), plain(A))
    right = entry(layout, image, "flawed:1")
    document = json.loads(layout.blobs.pop(image["digest"]))
    document["layers"] = document["layers"][1::-1]
    layout.root(layout.document(document, MANIFEST), "docker.io/library/flawed:1")
    hybrid(layout, right)
    report = take(store, layout)
    assert report.lines == ("Loaded image: flawed:1",)
    assert "as Docker 25.0.0 wrote it" in report.notes[0]
    assert [str(one.diff_id) for one in store.inspect("flawed:1").layers] == [
        digest(A),
        digest(B),
        digest(A),
    ]
    assert store.inspect("flawed:1").manifests[0].deterministic


def test_an_image_without_a_tag_may_be_missing_from_the_index_of_a_hybrid(
    store: Store, way: Callable[[Store, Layout], ImportReport]
) -> None:
    # So Docker writes it from 25 to 28, unless the image is the first.
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
    take(store, layout)
    details = store.inspect("c:1")
    assert str(details.parent) == image_id
    assert details.layers[0].urls == ("https://example.org/a",)


# --- damage and foreign layers --------------------------------------------------------------------


def test_a_layer_that_is_not_what_the_config_says_is_refused(
    store: Store, way: Callable[[Store, Layout], ImportReport]
) -> None:
    layout = Layout()
    layout.root(layout.image(Blob(A, gzip(B).data, "+gzip")))
    with pytest.raises(errors.DigestMismatch) as caught:
        way(store, layout)
    assert str(caught.value.want) == digest(A)
    assert str(caught.value.got) == digest(B)


def test_damage_is_found(store: Store, way: Callable[[Store, Layout], ImportReport]) -> None:
    layout = Layout()
    layout.root(layout.image(plain(LARGE)))
    layout.blobs[digest(LARGE)] = LARGE[:-3] + b"bad"
    with pytest.raises(errors.DigestMismatch) as caught:
        way(store, layout)
    assert str(caught.value.want) == digest(LARGE)
    assert list(store.blobs.digests()) == []


@pytest.mark.parametrize("swapped", [False, True])
def test_every_place_of_a_foreign_layer_is_kept_whatever_the_order(
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
    take(store, layout)
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


# --- what the verbs make of them ------------------------------------------------------------------


def test_a_list_has_indexes_by_their_image_and_artifacts_by_themselves(store: Store) -> None:
    layout = everything()
    take(store, layout)
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


def test_an_index_goes_with_its_last_name_and_takes_all_that_was_its_own(store: Store) -> None:
    layout = everything()
    take(store, layout)
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


def test_what_another_index_has_too_stays(store: Store) -> None:
    layout = Layout()
    shared, own = layout.image(gzip(A)), layout.image(gzip(B), platform="linux/arm64")
    layout.root(layout.index(shared, own), "docker.io/library/one:1")
    layout.root(layout.index(shared), "docker.io/library/two:1")
    take(store, layout)
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
    take(store, layout)

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
    assert (artifact["id"], artifact["kind"], artifact["subject"]) == (
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
