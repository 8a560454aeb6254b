"""A digest is part of a name: archives, the mirror, lists and saves keep it."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

import exporter
from exporter.options import Format, SaveOptions
from store import ImageFilter, Store, errors
from store.model.digests import Digest
from store.model.references import Reference
from store.registry.registry import Registry
from tests.support.images import A, B
from tests.support.layouts import CONTAINERD_NAME, MANIFEST, REF_NAME, Layout, encode, gzip

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = "containerd.io/distribution.source.docker.io"
OTHER = "sha256:" + "0" * 64


def docker_table(layout: Layout, image: dict[str, Any], *tags: str) -> None:
    """Add the manifest.json that `ctr images export` writes beside index.json."""
    manifest = json.loads(layout.blobs[image["digest"]])

    def path(link: dict[str, Any]) -> str:
        return "blobs/" + str(link["digest"]).replace(":", "/")

    layout.files["manifest.json"] = encode(
        [
            {
                "Config": path(manifest["config"]),
                "RepoTags": list(tags),
                "Layers": [path(link) for link in manifest["layers"]],
            }
        ]
    )


def serves(store: Store, name: str, digest: str) -> bool:
    """Return whether the mirror serves the digest in a repository."""
    try:
        Registry(store).manifest(Reference.parse(name).repository, Digest.parse(digest))
    except errors.NotFound:
        return False
    return True


def tags_of(store: Store) -> list[str]:
    return [tag.reference.familiar for one in store.images() for tag in one.references]


def digests_of(store: Store) -> list[str]:
    return [name.familiar for one in store.images() for name in one.digests]


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("indexed", [False, True])
@pytest.mark.parametrize("tagged", [False, True])
def test_an_archive_of_ctr_keeps_the_digest(
    store: Store, *, hybrid: bool, indexed: bool, tagged: bool
) -> None:
    layout = Layout()
    image = layout.image(gzip(A))
    top = layout.index(image, layout.absent()) if indexed else image
    tag = ":1" if tagged else ""
    name = f"docker.io/demo/app{tag}@{top['digest']}"
    reference = f"{tag.lstrip(':')}@{top['digest']}"
    layout.root(top, **{CONTAINERD_NAME: name, REF_NAME: reference})
    if hybrid:
        docker_table(layout, image, name.removeprefix("docker.io/"))
    report = store.import_archive(io.BytesIO(layout.tar()))
    shown = "demo/app:1" if tagged else f"demo/app@{top['digest']}"
    assert f"Loaded image: {shown}" in report.lines
    assert serves(store, "demo/app", top["digest"])
    assert tags_of(store) == (["demo/app:1"] if tagged else [])
    assert digests_of(store) == ([] if tagged else [shown])
    assert not store.import_archive(io.BytesIO(layout.tar())).changed


def test_the_repositories_of_the_source_keep_the_digest(store: Store) -> None:
    layout = Layout()
    image = layout.image(A)
    layout.root(image, "docker.io/demo/copy:1", **{SOURCE: "demo/app,demo/base"})
    docker_table(layout, image, "demo/copy:1")
    store.import_archive(io.BytesIO(layout.tar()))
    assert all(serves(store, f"demo/{one}", image["digest"]) for one in ("copy", "app", "base"))
    assert tags_of(store) == ["demo/copy:1"]
    details = store.inspect(f"demo/base@{image['digest']}")
    assert [name.familiar for name in details.digests] == [
        f"demo/app@{image['digest']}",
        f"demo/base@{image['digest']}",
    ]


@pytest.mark.parametrize("hybrid", [False, True])
@pytest.mark.parametrize("tag", ["", ":1"])
def test_a_name_whose_digest_is_of_other_content_is_left_out(
    store: Store, tag: str, *, hybrid: bool
) -> None:
    layout = Layout()
    image = layout.image(A)
    name = f"demo/app{tag}@{OTHER}"
    layout.root(image, **({} if hybrid else {CONTAINERD_NAME: f"docker.io/{name}"}))
    if hybrid:
        docker_table(layout, image, name)
    report = store.import_archive(io.BytesIO(layout.tar()))
    assert any(name in note for note in report.notes)
    assert tags_of(store) == []
    assert digests_of(store) == []
    assert store.inspect(image["digest"]).config.architecture == "amd64"


def test_a_docker_archive_without_manifests_sets_the_tag_and_notes_the_digest(
    store: Store,
) -> None:
    from tests.support.images import image

    report = store.import_archive(
        io.BytesIO(image(A, tags=(f"demo/app:1@{OTHER}", f"demo/b@{OTHER}")).bytes())
    )
    assert tags_of(store) == ["demo/app:1"]
    assert len([note for note in report.notes if OTHER in note]) == 2


def test_names_with_a_digest_are_chosen_and_changed_like_others(store: Store) -> None:
    from store import Choice, ImportOptions

    layout = Layout()
    one, two = layout.image(A), layout.image(B)
    layout.root(one, **{CONTAINERD_NAME: f"docker.io/demo/app@{one['digest']}"})
    layout.root(two, **{CONTAINERD_NAME: f"docker.io/demo/other@{two['digest']}"})
    choice = Choice(images=("demo/app",), prefix="team/")
    store.import_archive(io.BytesIO(layout.tar()), options=ImportOptions(choice=choice))
    assert digests_of(store) == [f"team/demo/app@{one['digest']}"]
    store.import_archive(
        io.BytesIO(layout.tar()), options=ImportOptions(choice=Choice(no_tags=True))
    )
    assert digests_of(store) == [f"team/demo/app@{one['digest']}"]


@pytest.mark.parametrize("format_", [Format.OCI, Format.DOCKER])
@pytest.mark.parametrize("indexed", [False, True])
def test_an_image_pushed_by_digest_is_pulled_by_digest_on_the_far_side(
    store: Store, tmp_path: Path, format_: Format, *, indexed: bool
) -> None:
    layout = Layout()
    image = layout.image(gzip(A))
    top = layout.index(image) if indexed else image
    layout.root(top)
    store.import_archive(io.BytesIO(layout.tar()))
    registry = Registry(store)
    repository = Reference.parse("demo/app").repository
    for descriptor in (image, top):
        manifest = json.loads(layout.blobs[image["digest"]])
        registry.adopt(
            repository,
            [Digest.parse(link["digest"]) for link in (manifest["config"], *manifest["layers"])],
        )
        registry.put_manifest(
            repository,
            layout.blobs[descriptor["digest"]],
            media_type=descriptor["mediaType"],
            digest=Digest.parse(descriptor["digest"]),
            tags=(),
        )
    name = f"demo/app@{top['digest']}"
    assert digests_of(store) == [name]
    out = io.BytesIO()
    with exporter.open_save(store, (name,), options=SaveOptions(format=format_)) as export:
        export.write(out)
    with Store.open(tmp_path / "far", create=True) as far:
        report = far.import_archive(io.BytesIO(out.getvalue()))
        assert report.lines == (f"Loaded image: {name}",)
        assert serves(far, "demo/app", top["digest"])
        assert digests_of(far) == [name]
        assert digests_of(far) == [
            one.familiar
            for found in far.images(ImageFilter(references=("demo/*",)))
            for one in found.digests
        ]


def test_a_saved_folder_has_one_entry_for_a_name_with_a_digest(
    store: Store, tmp_path: Path
) -> None:
    layout = Layout()
    image = layout.image(A)
    layout.root(image, **{CONTAINERD_NAME: f"docker.io/demo/app@{image['digest']}"})
    store.import_archive(io.BytesIO(layout.tar()))
    name = f"demo/app@{image['digest']}"
    for _ in range(2):
        with exporter.open_save(store, (name,), options=SaveOptions(format=Format.OCI)) as export:
            export.write_folder(tmp_path / "layout")
    entries = json.loads((tmp_path / "layout" / "index.json").read_bytes())["manifests"]
    assert [(one["mediaType"], one["annotations"]) for one in entries] == [
        (MANIFEST, {CONTAINERD_NAME: f"docker.io/{name}"})
    ]
