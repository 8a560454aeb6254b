"""Saves of one or some platforms of an index."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from exporter import Format
from store import Platform, Store, errors
from tests.support.images import A, B
from tests.support.layouts import (
    Layout,
)

if TYPE_CHECKING:
    from pathlib import Path
from tests.support.saved_layouts import (
    AMD64,
    ARM64,
    BOTH,
    S390X,
    Sample,
    below,
    blobs,
    files,
    import_into,
    names_of,
    save,
)


@pytest.fixture
def sample(store: Store) -> Sample:
    made = Sample()
    import_into(store, made.layout)
    return made


@BOTH
def test_a_platform_is_a_root_with_the_tag_of_its_index(
    store: Store, sample: Sample, format_: Format
) -> None:
    archive = save(store, "team/app", format=format_, platforms=(ARM64,))
    assert names_of(archive) == {
        sample.arm64["digest"]: ["docker.io/team/app:1", "docker.io/team/app:latest"],
        sample.tagged["digest"]: [sample.tag],
    }
    archive = save(store, "team/app:1", format=format_, platforms=(ARM64,))
    assert set(blobs(archive)) == below(sample.layout, sample.arm64)


@BOTH
def test_of_several_platforms_the_first_has_the_name(
    store: Store, sample: Sample, tmp_path: Path, format_: Format
) -> None:
    notes: list[str] = []
    archive = save(store, "team/app:1", format=format_, platforms=(ARM64, AMD64), notes=notes)
    assert names_of(archive) == {
        sample.arm64["digest"]: ["docker.io/team/app:1"],
        sample.amd64["digest"]: [],
    }
    assert set(blobs(archive)) == below(sample.layout, sample.arm64, sample.amd64)
    assert any("linux/arm64" in note and "unnamed: linux/amd64" in note for note in notes)
    with Store.open(tmp_path / "other", create=True) as other:
        import_into(other, archive)
        assert len(other.images()) == 2


@BOTH
def test_sparse_keeps_the_index_over_the_chosen_platform(
    store: Store, sample: Sample, format_: Format
) -> None:
    archive = save(store, "team/app:1", format=format_, platforms=(AMD64,), sparse=True)
    assert names_of(archive) == {sample.top["digest"]: ["docker.io/team/app:1"]}
    assert set(blobs(archive)) == {
        sample.top["digest"],
        *below(sample.layout, sample.amd64, sample.attestation),
    }


@pytest.mark.usefixtures("sample")
@pytest.mark.parametrize(
    ("format_", "platforms"),
    [
        (Format.LEGACY, (S390X,)),
        *(
            (one, some)
            for one in (Format.OCI, Format.DOCKER)
            for some in ((S390X,), (AMD64, S390X))
        ),
    ],
)
def test_a_platform_that_is_not_there_is_refused(
    store: Store, format_: Format, platforms: tuple[Platform, ...]
) -> None:
    with pytest.raises(errors.InvalidInput) as caught:
        save(store, "team/app:1", format=format_, platforms=platforms)
    assert "linux/s390x" in caught.value.message
    assert "linux/amd64" not in caught.value.message
    assert "linux/amd64, linux/arm64" in (caught.value.hint or "")


@pytest.mark.parametrize("format_", list(Format))
def test_an_image_for_another_platform_is_refused(store: Store, format_: Format) -> None:
    layout = Layout()
    layout.root(layout.image(A, platform="linux/arm64"), "docker.io/library/one:1")
    import_into(store, layout)
    with pytest.raises(errors.InvalidInput, match="for linux/amd64: the image is for linux/"):
        save(store, "one:1", format=format_, platforms=(AMD64,))
    assert save(store, "one:1", format=format_, platforms=(ARM64, AMD64))


def test_a_platform_in_a_nested_index_is_found(store: Store) -> None:
    layout = Layout()
    arm64, amd64 = layout.image(B, platform="linux/arm64"), layout.image(A)
    inner = layout.index(arm64)
    top = layout.root(layout.index(amd64, inner), "docker.io/library/nested:1")
    import_into(store, layout)
    archive = save(store, "nested:1", format=Format.OCI, platforms=(ARM64,), sparse=True)
    assert set(blobs(archive)) == {top["digest"], inner["digest"], *below(layout, arm64)}
    assert names_of(save(store, "nested:1", format=Format.OCI, platforms=(ARM64,))) == {
        arm64["digest"]: ["docker.io/library/nested:1"]
    }
    assert json.loads(files(save(store, "nested:1", machine=ARM64))["manifest.json"])[0][
        "RepoTags"
    ] == ["nested:1"]


def test_two_indexes_of_one_image_give_it_both_names(store: Store) -> None:
    layout = Layout()
    amd64 = layout.image(A)
    layout.root(layout.index(amd64), "docker.io/library/first:1")
    layout.root(layout.index(amd64, annotations={"other": "yes"}), "docker.io/library/second:1")
    import_into(store, layout)
    archive = save(store, "first:1", "second:1", format=Format.OCI, platforms=(AMD64,))
    assert names_of(archive) == {
        amd64["digest"]: ["docker.io/library/first:1", "docker.io/library/second:1"]
    }


def test_legacy_takes_one_platform_and_notes_the_others(store: Store, sample: Sample) -> None:
    notes: list[str] = []
    archive = save(store, "team/app:1", machine=ARM64, notes=notes)
    (item,) = json.loads(files(archive)["manifest.json"])
    manifest = json.loads(sample.layout.blobs[sample.arm64["digest"]])
    assert item["Config"] == f"{manifest['config']['digest'].removeprefix('sha256:')}.json"
    assert any("saved linux/arm64; left out: linux/amd64" in note for note in notes)
    assert save(store, "team/app:1", platforms=(ARM64,)) == archive
    assert save(store, sample.arm64["digest"]) == save(store, f"team/app@{sample.arm64['digest']}")


@pytest.mark.usefixtures("sample")
def test_legacy_leaves_artifacts_out_with_a_note(store: Store) -> None:
    notes: list[str] = []
    archive = save(store, "team/app", notes=notes)
    assert json.loads(files(archive)["manifest.json"])[0]["RepoTags"] == [
        "team/app:1",
        "team/app:latest",
    ]
    assert any("left out artifacts" in note and ".sig" in note for note in notes)
    layout = Layout()
    layout.root(layout.artifact(b"x"), "docker.io/library/things:1")
    import_into(store, layout)
    for name in ("things", "things:1"):
        with pytest.raises(errors.ReferenceNotFound):
            save(store, name)
