"""Image layouts are imported with every digest unchanged."""

from __future__ import annotations

import io
import json
import lzma
from typing import TYPE_CHECKING

import pytest

from store import Choice, ImportOptions, Platform, Reference, Store, errors
from store.model.contents import ContentState
from store.model.remedies import Note, Remedy
from tests.support.images import A, Archive, B, E, config
from tests.support.layouts import (
    MANIFEST,
    Blob,
    Layout,
    digest,
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
    everything,
    import_into,
    importer_from,
    sources,
)


@pytest.fixture(params=["pipe", "file", "folder"])
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Store, Layout], ImportReport]:
    """Return a function that imports a layout from a pipe, a file or a folder."""

    return importer_from(request.param, tmp_path)


def test_everything_is_imported_with_its_digest(
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
    import_into(store, layout)
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


def test_bytes_and_not_media_types_decide_about_a_layer(store: Store) -> None:
    # Docker's push gives a plain layer the media type of a gzip layer.
    layout = Layout()
    layout.root(
        layout.image(Blob(A, A, "+gzip"), Blob(B, zstd(B).data, "+gzip"), Blob(C, gzip(C).data)),
        "liar:1",
    )
    import_into(store, layout)
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


def test_large_blobs_that_are_not_layers_pass_through_a_pipe(store: Store) -> None:
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
    report = import_into(store, layout)
    assert report.lines == ("Loaded image: artifact:1",)
    assert report.images == ()
    assert_has_all(store, layout)
    assert not import_into(store, layout).changed


def test_embedded_content_need_not_be_a_file(store: Store) -> None:
    import base64

    layout = Layout()
    image = layout.image(gzip(A))
    document = json.loads(layout.blobs[image["digest"]])
    for link in (document["config"], *document["layers"]):
        link["data"] = base64.b64encode(layout.blobs.pop(link["digest"])).decode()
    embedded = layout.document(document, MANIFEST)
    layout.root(embedded, "docker.io/library/e:1")
    import_into(store, layout)
    assert content(store, digest(A)) == A


def test_known_content_may_be_missing_from_the_archive(store: Store) -> None:
    first, second = Layout(), Layout()
    first.root(first.image(gzip(A)), "docker.io/library/a:1")
    import_into(store, first)
    second.root(
        second.index(second.image(gzip(A), gzip(B)), second.image(gzip(A))), "docker.io/library/a:2"
    )
    for name in first.blobs:
        second.blobs.pop(name, None)
    report = import_into(store, second)
    assert (report.new_images, report.new_layers) == (1, 1)
    assert list(store.fsck()) == []
    second.blobs.pop(digest(gzip(B).data))
    with Store.open(store.root.parent / "other", create=True) as empty:
        with pytest.raises(errors.InvalidInput, match="neither in the archive nor in the store"):
            import_into(empty, second)
        assert empty.images() == ()


def test_all_missing_content_is_listed(store: Store) -> None:
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
        import_into(store, layout)
    assert [str(missing) for _, _, missing in caught.value.missing] == [gone[0], gone[0], gone[1]]
    assert all(name in caught.value.message for name in gone)


def test_a_foreign_layer_may_be_absent(store: Store) -> None:
    layout = Layout()
    image = layout.image(gzip(A), gzip(B))
    document = json.loads(layout.blobs[image["digest"]])
    document["layers"][0] |= {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "urls": ["https://example.org/a"],
    }
    del layout.blobs[document["layers"][0]["digest"]]
    layout.root(layout.document(document, MANIFEST), "docker.io/library/foreign:1")
    import_into(store, layout)
    details = store.inspect("foreign:1")
    assert [(one.state, one.urls) for one in details.layers] == [
        (ContentState.ABSENT, ("https://example.org/a",)),
        (ContentState.PRESENT, ()),
    ]
    assert not import_into(store, layout).changed
    # A second archive has the layer.
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


def test_a_tag_keeps_its_imported_manifest(store: Store) -> None:
    layout = Layout()
    image = layout.image(gzip(A))
    layout.root(
        layout.index(image, layout.image(gzip(B), platform="linux/arm64")), "docker.io/team/app:1"
    )
    import_into(store, layout)
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


def test_a_tag_moves_silently_to_another_manifest_of_the_same_image(store: Store) -> None:
    one, two = Layout(), Layout()
    one.root(one.image(gzip(A)), "docker.io/team/app:1")
    two.root(two.image(zstd(A)), "docker.io/team/app:1")
    import_into(store, one)
    report = import_into(store, two)
    assert report.lines == ("Loaded image: team/app:1",)
    assert report.changed
    (tag,) = store.inspect("team/app:1").references
    assert str(tag.manifest) == two.roots[0]["digest"]


def test_referrers_live_as_long_as_what_they_refer_to(store: Store) -> None:
    layout = Layout()
    image = layout.root(layout.image(gzip(A)), "docker.io/team/app:1")
    signature = layout.root(layout.artifact(b"signed", subject=image))
    alone = layout.root(layout.artifact(b"about nothing here", subject=layout.absent()))
    import_into(store, layout)
    store.collect(dangling=True)
    assert content(store, signature["digest"])
    assert sources(store, alone["digest"]) is None
    store.remove("team/app:1")
    store.collect(dangling=True)
    assert sources(store, signature["digest"]) is None
    assert list(store.blobs.digests()) == []
    assert list(store.fsck()) == []


def test_names_are_read_in_the_form_of_each_tool(store: Store) -> None:
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
    report = import_into(store, layout)
    assert [tag.reference.familiar for tag in report.tags] == ["skopeo:1", "podman:2"]
    notes = "\n".join(report.notes)
    assert "only by the tag 1.4" in notes
    assert [note.remedy for note in report.notes if isinstance(note, Note)] == [
        Remedy.RENAME_IMAGE,
        Remedy.RENAME_IMAGE,
        Remedy.RENAME_IMAGE,
        Remedy.NAME_BARE_TAG,
    ]
    assert "invalid image name 'Not A Name'" in notes
    assert "invalid image name 'not a tag'" in notes
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
    report = import_into(store, layout, options=ImportOptions(choice=choice))
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
        (Choice(images=("nothing", "team/*")), "the archive has no image 'nothing'"),
        (Choice(tag=Reference.parse("one:name")), "the 3 images of the archive"),
        (Choice(prefix="Bad"), "invalid prefix 'Bad'"),
        (
            Choice(platforms=(Platform.parse("linux/s390x"),)),
            "the archive has no image for the platform linux/s390x",
        ),
    ],
)
def test_an_unknown_choice_is_an_error(store: Store, choice: Choice, text: str) -> None:
    layout = Layout()
    for position, one in enumerate((A, B, C)):
        layout.root(layout.image(one), f"docker.io/team/app:{position}")
    with pytest.raises(errors.InvalidInput) as caught:
        import_into(store, layout, options=ImportOptions(choice=choice))
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
            report = import_into(
                empty, layout, options=ImportOptions(choice=Choice(images=(pattern,)))
            )
            assert [str(one) for one in report.images] == [image_id]


def test_a_name_is_not_moved_unless_asked(store: Store) -> None:
    one, two = Layout(), Layout()
    one.root(one.image(A), "docker.io/team/app:1")
    two.root(two.image(B), "docker.io/team/app:1")
    first = import_into(store, one)
    with pytest.raises(errors.NameTaken) as caught:
        import_into(store, two, options=ImportOptions(clobber=False))
    assert caught.value.names == ("team/app:1",)
    assert [image.image_id for image in store.images()] == list(first.images)
    assert not list((store.root / "staging").iterdir())
    import_into(store, one, options=ImportOptions(clobber=False))
    report = import_into(store, two)
    assert (
        report.lines[0]
        == f"The image team/app:1 already exists, renaming the old one with ID {first.images[0]} to"
        " empty string"
    )


def test_a_dry_run_reports_everything_and_changes_nothing(store: Store) -> None:
    layout = everything()
    before = sorted(store.root.rglob("*"))
    report = import_into(store, layout, options=ImportOptions(dry_run=True))
    assert report.changed
    assert report.new_images == 4
    assert store.images() == ()
    assert [
        path for path in sorted(store.root.rglob("*")) if path.suffix not in (".db-wal", ".db-shm")
    ] == [path for path in before if path.suffix not in (".db-wal", ".db-shm")] or list(
        store.blobs.digests()
    ) == []
    assert list(store.events()) == []
    assert import_into(store, layout).lines == report.lines


def test_a_platform_is_imported_with_its_index_and_attestation(store: Store) -> None:
    layout = everything()
    report = import_into(
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
    with pytest.raises(
        errors.InvalidInput,
        match="list content that neither the archive nor the store has",
    ):
        import_into(store, layout, options=ImportOptions(choice=Choice(require_all=True)))


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
    # In the config, the architecture from the test helper stands before the member that overrides
    # it.
    assert [tag.reference.familiar for tag in report.tags] == ["b:1"]
