"""Saved layouts and Docker archives are complete, reproducible and named."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING

import pytest

import exporter
from exporter import Format, SaveOptions
from store import Store, errors
from tests.support.images import A, Archive, B, config
from tests.support.layouts import (
    CONTAINERD_NAME,
    MANIFEST,
    REF_NAME,
    Layout,
    digest,
    foreign,
    gzip,
)

if TYPE_CHECKING:
    from pathlib import Path
from tests.support.saved_layouts import BOTH, Sample, blobs, import_into, listed, names_of, save


@pytest.fixture
def sample(store: Store) -> Sample:
    made = Sample()
    import_into(store, made.layout)
    return made


@BOTH
def test_an_index_is_saved_whole_and_unchanged(
    store: Store, sample: Sample, format_: Format
) -> None:
    archive = save(store, "team/app:1", format=format_)
    assert blobs(archive) == {name: sample.layout.blobs[name] for name in sample.inside}
    assert listed(archive) == [
        {
            "mediaType": sample.top["mediaType"],
            "digest": sample.top["digest"],
            "size": sample.top["size"],
            "annotations": {CONTAINERD_NAME: "docker.io/team/app:1", REF_NAME: "1"},
        }
    ]


@BOTH
def test_two_stores_give_the_same_archive_whatever_the_order(
    store: Store, sample: Sample, tmp_path: Path, format_: Format
) -> None:
    first = save(store, "team/app", format=format_, referrers=True)
    with Store.open(tmp_path / "other", create=True) as other:
        import_into(
            other,
            Archive()
            .file("a", A)
            .file("c", config(A))
            .manifest({"Config": "c", "RepoTags": ["before:1"], "Layers": ["a"]}),
        )
        other.import_archive(sample.layout.folder(tmp_path / "layout"))
        assert save(other, "team/app", format=format_, referrers=True) == first


@pytest.mark.usefixtures("sample")
def test_headers_say_nothing_of_the_machine(store: Store) -> None:
    with tarfile.open(fileobj=io.BytesIO(save(store, "team/app", format=Format.OCI))) as tar:
        members = tar.getmembers()
    assert {(one.mtime, one.uid, one.gid, one.uname, one.gname) for one in members} == {
        (0, 0, 0, "", "")
    }
    assert {one.mode for one in members if one.isfile()} == {0o644}
    assert {one.mode for one in members if one.isdir()} == {0o755}
    assert [one.name for one in members] == sorted(one.name for one in members)


@BOTH
def test_missing_content_is_listed_and_refused(store: Store, format_: Format) -> None:
    layout = Layout()
    absent = [layout.absent("linux/s390x"), layout.absent("linux/ppc64le")]
    top = layout.root(layout.index(layout.image(gzip(A)), *absent), "docker.io/library/sparse:1")
    import_into(store, layout)
    with (
        pytest.raises(errors.IncompleteImage) as caught,
        exporter.open_save(store, ["sparse:1"], options=SaveOptions(format=format_)),
    ):
        pytest.fail("the save was planned")
    assert [
        one for one in absent if any(one["digest"] in text for text in caught.value.missing)
    ] == absent
    assert len(caught.value.missing) == 2
    archive = save(store, "sparse:1", format=format_, sparse=True)
    assert blobs(archive) == layout.blobs
    assert listed(archive)[0]["digest"] == top["digest"]


@BOTH
def test_a_foreign_layer_may_be_absent_and_is_noted(store: Store, format_: Format) -> None:
    layout = Layout()
    layout.root(
        layout.image(foreign(gzip(A), "https://example.org/a"), gzip(B)),
        "docker.io/library/foreign:1",
    )
    import_into(store, layout)
    notes: list[str] = []
    archive = save(store, "foreign:1", format=format_, notes=notes)
    assert digest(gzip(A).data) not in blobs(archive)
    assert blobs(archive) == layout.blobs
    assert any(digest(gzip(A).data) in note and "https://example.org/a" in note for note in notes)
    with pytest.raises(errors.IncompleteImage, match=r"https://example\.org/a"):
        save(store, "foreign:1")


@BOTH
def test_only_nondistributable_layers_may_be_missing(store: Store, format_: Format) -> None:
    layout = Layout()
    image = layout.image(gzip(A), gzip(B))
    manifest = json.loads(layout.blobs.pop(image["digest"]))
    del layout.blobs[manifest["layers"][0]["digest"]]
    manifest["layers"][0]["urls"] = ["https://example.org/a"]
    layout.root(layout.document(manifest, MANIFEST), "docker.io/library/away:1")
    import_into(store, layout)
    with pytest.raises(errors.IncompleteImage) as caught:
        save(store, "away:1", format=format_)
    assert [manifest["layers"][0]["digest"] in text for text in caught.value.missing] == [True]
    assert blobs(save(store, "away:1", format=format_, sparse=True)) == layout.blobs


@BOTH
def test_everything_with_a_digest_can_be_saved(
    store: Store, sample: Sample, format_: Format
) -> None:
    image_id = json.loads(sample.layout.blobs[sample.amd64["digest"]])["config"]["digest"]
    expected = {
        sample.top["digest"]: sample.top,
        sample.amd64["digest"]: sample.amd64,
        f"team/app@{sample.arm64['digest']}": sample.arm64,
        sample.signature["digest"]: sample.signature,
        image_id: sample.amd64,
        image_id.removeprefix("sha256:")[:20]: sample.amd64,
    }
    for name, root in expected.items():
        given = [f"docker.io/{name}"] if "@" in name else []
        assert names_of(save(store, name, format=format_)) == {root["digest"]: given}, name
    with pytest.raises(errors.ReferenceNotFound):
        save(store, "team/app:2", format=format_)
    with pytest.raises(errors.ReferenceNotFound):
        save(store, f"team/app@{digest(b'nothing')}", format=format_)
    for name in (digest(b"nothing"), "sha256:12345678"):
        with pytest.raises(errors.ImageNotFound):
            save(store, name, format=format_)
    with pytest.raises(errors.InvalidReference):
        save(store, "team/app@sha256:abc", format=format_)


def test_a_tag_that_two_repositories_have_is_written_with_its_repository(store: Store) -> None:
    layout = Layout()
    layout.root(layout.image(A), "docker.io/library/a:1", "docker.io/library/a:only")
    layout.root(layout.image(B), "docker.io/library/b:1")
    import_into(store, layout)
    found = [
        one["annotations"][REF_NAME] for one in listed(save(store, "a", "b", format=Format.OCI))
    ]
    assert found == ["docker.io/library/a:1", "only", "docker.io/library/b:1"]
    assert [
        one["annotations"][REF_NAME] for one in listed(save(store, "a", "b", format=Format.DOCKER))
    ] == ["1", "only", "1"]


@BOTH
def test_referrers_come_along_when_asked_for(store: Store, sample: Sample, format_: Format) -> None:
    archive = save(store, "team/app:1", format=format_, referrers=True)
    assert names_of(archive) == {
        sample.top["digest"]: ["docker.io/team/app:1"],
        sample.signature["digest"]: [],
        sample.about["digest"]: [],
        sample.tagged["digest"]: [sample.tag],
    }
    assert blobs(archive) == sample.layout.blobs
    for name in (sample.top["digest"], f"team/app@{sample.top['digest']}"):
        assert names_of(save(store, name, format=format_, referrers=True))[
            sample.tagged["digest"]
        ] == [sample.tag]


def test_a_signature_of_a_signature_comes_along(store: Store, sample: Sample) -> None:
    layout = Layout()
    above = layout.root(
        layout.artifact(b"of the signature"),
        f"docker.io/team/app:{sample.tagged['digest'].replace(':', '-')}.sig",
    )
    refers = layout.root(layout.artifact(b"about that", subject=above))
    elsewhere = layout.root(
        layout.artifact(b"elsewhere"), sample.tag.replace("team/app", "team/other")
    )
    import_into(store, layout)
    found = names_of(save(store, "team/app:1", format=Format.OCI, referrers=True))
    assert {above["digest"], refers["digest"]} <= set(found)
    assert elsewhere["digest"] not in found


def test_a_referrer_with_a_subject_and_a_tag_is_listed_once(store: Store) -> None:
    layout = Layout()
    image = layout.root(layout.image(A), "docker.io/library/app:1")
    tag = f"docker.io/library/app:{image['digest'].replace(':', '-')}.att"
    both = layout.root(layout.artifact(b"both", subject=image), tag)
    import_into(store, layout)
    archive = save(store, "app:1", format=Format.OCI, referrers=True)
    assert names_of(archive) == {
        image["digest"]: ["docker.io/library/app:1"],
        both["digest"]: [tag],
    }
    assert len(listed(archive)) == 2


def test_the_tag_of_a_long_digest_is_cut_as_the_specification_says(store: Store) -> None:
    layout = Layout()
    image = layout.root(layout.image(A, algorithm="sha512"), "docker.io/library/app:1")
    fallback = f"docker.io/library/app:sha512-{image['digest'].removeprefix('sha512:')[:64]}"
    index = layout.root(layout.index(layout.artifact(b"listed")), fallback)
    import_into(store, layout)
    assert names_of(save(store, "app:1", format=Format.OCI, referrers=True))[index["digest"]] == [
        fallback
    ]


def test_an_index_with_only_an_attestation_keeps_its_name_beside_an_image(
    store: Store, tmp_path: Path
) -> None:
    """manifest.json lists the image that the index calls an attestation, but not the index."""
    layout = Layout()
    image = layout.image(A)
    layout.root(image, "docker.io/team/app:att")
    attested = {
        "vnd.docker.reference.digest": image["digest"],
        "vnd.docker.reference.type": "attestation-manifest",
    }
    layout.root(layout.index({**image, "annotations": attested}), "docker.io/team/app:1")
    came_along(layout, store, tmp_path, "team/app:1", "team/app:att")


def test_an_index_for_other_platforms_keeps_its_name_beside_one_of_its_images(
    store: Store, tmp_path: Path
) -> None:
    """manifest.json lists the image, but no image of the index."""
    layout = Layout()
    image = layout.image(A, platform="linux/s390x")
    layout.root(image, "docker.io/team/app:s390x")
    layout.root(
        layout.index(image, layout.image(B, platform="linux/arm64")), "docker.io/team/app:1"
    )
    came_along(layout, store, tmp_path, "team/app:1", "team/app:s390x")


def came_along(layout: Layout, store: Store, tmp_path: Path, *names: str) -> None:
    """Check that names stand for the same digests after a save in Docker's format."""
    import_into(store, layout)
    archive = save(store, *names, format=Format.DOCKER)
    with Store.open(tmp_path / "far", create=True) as far:
        far.import_archive(io.BytesIO(archive))
        for name in names:
            assert far.inspect_manifest(name) == store.inspect_manifest(name)
