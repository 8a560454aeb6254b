"""``save --format docker`` and ``oci``: what they write, what they refuse, and what others find in it."""

from __future__ import annotations

import gzip as gzip_module
import io
import json
import os
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

import exporter
from exporter import Format, Layers, SaveOptions
from store import Platform, Store, errors
from storectl import cli
from tests.support.images import A, Archive, B, E, config, layer
from tests.support.layouts import (
    CONFIG,
    CONTAINERD_NAME,
    EMPTY,
    INDEX,
    LAYER,
    MANIFEST,
    REF_NAME,
    Descriptor,
    Layout,
    digest,
    encode,
    foreign,
    gzip,
    zstd,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

C = layer("c.txt", b"gamma\n")
AMD64, ARM64, S390X = (Platform.parse(f"linux/{name}") for name in ("amd64", "arm64", "s390x"))
BOTH = pytest.mark.parametrize("format_", [Format.OCI, Format.DOCKER])


def take(store: Store, source: Layout | Archive | bytes) -> None:
    data = (
        source.tar()
        if isinstance(source, Layout)
        else source.bytes()
        if isinstance(source, Archive)
        else source
    )
    store.import_archive(io.BytesIO(data))


def save(store: Store, *names: str, notes: list[str] | None = None, **options: Any) -> bytes:  # noqa: ANN401 - any option
    out = io.BytesIO()
    with exporter.open_save(store, names, options=SaveOptions(**options)) as export:
        export.write(out)
        assert len(out.getvalue()) == export.size_bytes
        if notes is not None:
            notes += export.notes
    return out.getvalue()


def files(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {
            member.name: taken.read()
            for member in tar
            if (taken := tar.extractfile(member)) is not None
        }


def blobs(archive: bytes) -> dict[str, bytes]:
    return {
        name.removeprefix("blobs/").replace("/", ":"): data
        for name, data in files(archive).items()
        if name.startswith("blobs/")
    }


def listed(archive: bytes) -> list[Descriptor]:
    found: list[Descriptor] = json.loads(files(archive)["index.json"])["manifests"]
    return found


def names_of(archive: bytes) -> dict[str, list[str]]:
    """The full names that index.json gives to each digest."""
    found: dict[str, list[str]] = {}
    for one in listed(archive):
        found.setdefault(one["digest"], []).extend(
            [one["annotations"][CONTAINERD_NAME]] if "annotations" in one else []
        )
    return found


class Sample:
    """An index of two platforms with an attestation.

    A signature by subject, one about that, one by tag; an artifact.
    """

    def __init__(self) -> None:
        self.layout = Layout()
        self.amd64 = self.layout.image(gzip(A), zstd(B))
        self.arm64 = self.layout.image(gzip(A), gzip(C), platform="linux/arm64/v8")
        self.attestation = self.layout.attestation(self.amd64)
        self.top = self.layout.index(
            self.amd64, self.attestation, self.arm64, annotations={"kept": "é"}
        )
        self.layout.root(self.top, "docker.io/team/app:1", "docker.io/team/app:latest")
        self.inside = set(self.layout.blobs)
        self.signature = self.layout.root(self.layout.artifact(b"signature", subject=self.top))
        self.about = self.layout.root(
            self.layout.artifact(b"about the signature", subject=self.signature)
        )
        self.tag = f"docker.io/team/app:{self.top['digest'].replace(':', '-')}.sig"
        self.tagged = self.layout.root(self.layout.artifact(b"cosigned"), self.tag)


@pytest.fixture
def sample(store: Store) -> Sample:
    made = Sample()
    take(store, made.layout)
    return made


# --- closed by default ----------------------------------------------------------------------------


@BOTH
def test_an_index_comes_out_whole_and_as_it_was(
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
        take(
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
def test_what_is_not_here_is_listed_and_refused(store: Store, format_: Format) -> None:
    layout = Layout()
    absent = [layout.absent("linux/s390x"), layout.absent("linux/ppc64le")]
    top = layout.root(layout.index(layout.image(gzip(A)), *absent), "docker.io/library/sparse:1")
    take(store, layout)
    with (
        pytest.raises(errors.IncompleteImage) as caught,
        exporter.open_save(store, ["sparse:1"], options=SaveOptions(format=format_)),
    ):
        pytest.fail("it is planned")
    assert [
        one for one in absent if any(one["digest"] in text for text in caught.value.missing)
    ] == absent
    assert len(caught.value.missing) == 2
    archive = save(store, "sparse:1", format=format_, sparse=True)
    assert blobs(archive) == layout.blobs
    assert listed(archive)[0]["digest"] == top["digest"]


@BOTH
def test_a_foreign_layer_may_stay_away_and_is_named(store: Store, format_: Format) -> None:
    layout = Layout()
    layout.root(
        layout.image(foreign(gzip(A), "https://example.org/a"), gzip(B)),
        "docker.io/library/foreign:1",
    )
    take(store, layout)
    notes: list[str] = []
    archive = save(store, "foreign:1", format=format_, notes=notes)
    assert digest(gzip(A).data) not in blobs(archive)
    assert blobs(archive) == layout.blobs
    assert any(digest(gzip(A).data) in note and "https://example.org/a" in note for note in notes)
    with pytest.raises(errors.IncompleteImage, match=r"https://example\.org/a"):
        save(store, "foreign:1")


@BOTH
def test_only_layers_that_nobody_may_pass_on_may_stay_away(store: Store, format_: Format) -> None:
    layout = Layout()
    image = layout.image(gzip(A), gzip(B))
    manifest = json.loads(layout.blobs.pop(image["digest"]))
    del layout.blobs[manifest["layers"][0]["digest"]]
    manifest["layers"][0]["urls"] = ["https://example.org/a"]
    layout.root(layout.document(manifest, MANIFEST), "docker.io/library/away:1")
    take(store, layout)
    with pytest.raises(errors.IncompleteImage) as caught:
        save(store, "away:1", format=format_)
    assert [manifest["layers"][0]["digest"] in text for text in caught.value.missing] == [True]
    assert blobs(save(store, "away:1", format=format_, sparse=True)) == layout.blobs


# --- platforms ------------------------------------------------------------------------------------


def below(layout: Layout, *manifests: Descriptor) -> set[str]:
    found = set()
    for one in manifests:
        document = json.loads(layout.blobs[one["digest"]])
        found |= {
            one["digest"],
            document["config"]["digest"],
            *(blob["digest"] for blob in document["layers"]),
        }
    return found


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
    assert any("linux/arm64" in note and "without a name: linux/amd64" in note for note in notes)
    with Store.open(tmp_path / "other", create=True) as other:
        take(other, archive)
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
    take(store, layout)
    with pytest.raises(errors.InvalidInput, match="not for linux/amd64"):
        save(store, "one:1", format=format_, platforms=(AMD64,))
    assert save(store, "one:1", format=format_, platforms=(ARM64, AMD64))


def test_a_platform_in_a_nested_index_is_found(store: Store) -> None:
    layout = Layout()
    arm64, amd64 = layout.image(B, platform="linux/arm64"), layout.image(A)
    inner = layout.index(arm64)
    top = layout.root(layout.index(amd64, inner), "docker.io/library/nested:1")
    take(store, layout)
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
    take(store, layout)
    archive = save(store, "first:1", "second:1", format=Format.OCI, platforms=(AMD64,))
    assert names_of(archive) == {
        amd64["digest"]: ["docker.io/library/first:1", "docker.io/library/second:1"]
    }


def test_legacy_takes_one_platform_and_says_what_it_left(store: Store, sample: Sample) -> None:
    notes: list[str] = []
    archive = save(store, "team/app:1", machine=ARM64, notes=notes)
    (item,) = json.loads(files(archive)["manifest.json"])
    assert (
        item["Config"]
        == f"{json.loads(sample.layout.blobs[sample.arm64['digest']])['config']['digest'].removeprefix('sha256:')}.json"
    )
    assert any("saved linux/arm64; left out: linux/amd64" in note for note in notes)
    assert save(store, "team/app:1", platforms=(ARM64,)) == archive
    assert save(store, sample.arm64["digest"]) == save(store, f"team/app@{sample.arm64['digest']}")


@pytest.mark.usefixtures("sample")
def test_legacy_leaves_artifacts_out_and_says_so(store: Store) -> None:
    notes: list[str] = []
    archive = save(store, "team/app", notes=notes)
    assert json.loads(files(archive)["manifest.json"])[0]["RepoTags"] == [
        "team/app:1",
        "team/app:latest",
    ]
    assert any("left out artifacts" in note and ".sig" in note for note in notes)
    layout = Layout()
    layout.root(layout.artifact(b"x"), "docker.io/library/things:1")
    take(store, layout)
    for name in ("things", "things:1"):
        with pytest.raises(errors.ReferenceNotFound):
            save(store, name)


# --- names ----------------------------------------------------------------------------------------


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
        assert names_of(save(store, name, format=format_)) == {root["digest"]: []}, name
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
    take(store, layout)
    found = [
        one["annotations"][REF_NAME] for one in listed(save(store, "a", "b", format=Format.OCI))
    ]
    assert found == ["docker.io/library/a:1", "only", "docker.io/library/b:1"]
    assert [
        one["annotations"][REF_NAME] for one in listed(save(store, "a", "b", format=Format.DOCKER))
    ] == ["1", "only", "1"]


# --- referrers ------------------------------------------------------------------------------------


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
    take(store, layout)
    found = names_of(save(store, "team/app:1", format=Format.OCI, referrers=True))
    assert {above["digest"], refers["digest"]} <= set(found)
    assert elsewhere["digest"] not in found


def test_a_referrer_with_a_subject_and_a_tag_is_listed_once(store: Store) -> None:
    layout = Layout()
    image = layout.root(layout.image(A), "docker.io/library/app:1")
    tag = f"docker.io/library/app:{image['digest'].replace(':', '-')}.att"
    both = layout.root(layout.artifact(b"both", subject=image), tag)
    take(store, layout)
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
    take(store, layout)
    assert names_of(save(store, "app:1", format=Format.OCI, referrers=True))[index["digest"]] == [
        fallback
    ]


# --- layers encoded anew --------------------------------------------------------------------------

DECODED: dict[Layers, Callable[[bytes], bytes]] = {
    Layers.GZIP: gzip_module.decompress,
    Layers.ZSTD: lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
    Layers.PLAIN: bytes,
}
TYPES = {Layers.GZIP: f"{LAYER}+gzip", Layers.ZSTD: f"{LAYER}+zstd", Layers.PLAIN: LAYER}


@BOTH
@pytest.mark.parametrize("how", list(Layers))
def test_layers_are_encoded_anew_and_image_ids_stay(
    store: Store, sample: Sample, tmp_path: Path, format_: Format, how: Layers
) -> None:
    archive = save(store, "team/app:1", format=format_, layers=how)
    found = blobs(archive)
    assert all(digest(data, name.partition(":")[0]) == name for name, data in found.items())
    (top,) = listed(archive)
    index = json.loads(found[top["digest"]])
    assert index["annotations"] == {
        "kept": "é",
        "dev.storectl.original.digest": sample.top["digest"],
    }
    for entry, old in zip(
        index["manifests"], (sample.amd64, sample.attestation, sample.arm64), strict=True
    ):
        before, after = (
            json.loads(sample.layout.blobs[old["digest"]]),
            json.loads(found[entry["digest"]]),
        )
        assert (entry["mediaType"], entry["size"], entry["platform"]) == (
            old["mediaType"],
            len(found[entry["digest"]]),
            old["platform"],
        )
        assert after["config"] == before["config"]
        if old is sample.attestation:
            assert entry["digest"] == old["digest"]
            assert (
                entry["annotations"]["vnd.docker.reference.digest"]
                == index["manifests"][0]["digest"]
            )
            continue
        assert [one["mediaType"] for one in after["layers"]] == [TYPES[how]] * len(before["layers"])
        diffs = json.loads(found[after["config"]["digest"]])["rootfs"]["diff_ids"]
        assert [digest(DECODED[how](found[one["digest"]])) for one in after["layers"]] == diffs
        assert (
            after.get("annotations", {}).get("dev.storectl.original.digest", old["digest"])
            == old["digest"]
        )
        assert ("annotations" in after) == (entry["digest"] != old["digest"])
    with Store.open(tmp_path / "other", create=True) as other:
        take(other, archive)
        assert {one.image_id for one in other.images()} == {one.image_id for one in store.images()}
    assert save(store, "team/app:1", format=format_, layers=how) == archive
    assert not list((tmp_path / "store" / "staging").iterdir())


def test_layers_that_are_so_already_stay_as_they_are(store: Store, sample: Sample) -> None:
    archive = save(store, sample.arm64["digest"], format=Format.OCI, layers=Layers.GZIP)
    assert archive == save(store, sample.arm64["digest"], format=Format.OCI)


def test_signatures_do_not_fit_what_is_encoded_anew_and_that_is_said(
    store: Store, sample: Sample
) -> None:
    notes: list[str] = []
    archive = save(
        store, "team/app:1", format=Format.OCI, layers=Layers.PLAIN, referrers=True, notes=notes
    )
    assert sample.signature["digest"] in blobs(archive)
    assert any("signatures" in note for note in notes)


@pytest.mark.parametrize(
    ("how", "manifest", "layer_type"),
    [(Layers.GZIP, "docker", "docker"), (Layers.ZSTD, "oci", "oci"), (Layers.PLAIN, "oci", "oci")],
)
def test_docker_manifests_know_gzip_only(
    store: Store, how: Layers, manifest: str, layer_type: str
) -> None:
    types = {
        "docker": (
            "application/vnd.docker.distribution.manifest.v2+json",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
        ),
        "oci": (MANIFEST, TYPES[how]),
    }
    layout = Layout()
    described = config(A, B)
    document = {
        "schemaVersion": 2,
        "mediaType": types["docker"][0],
        "config": layout.blob(described, "application/vnd.docker.container.image.v1+json"),
        # Docker's push calls a plain layer gzip.
        "layers": [
            layout.blob(A, types["docker"][1]),
            layout.blob(zstd(B).data, types["docker"][1]),
        ],
    }
    child = layout.document(
        document, types["docker"][0], platform={"os": "linux", "architecture": "amd64"}
    )
    listing = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json",
        "manifests": [child],
    }
    layout.root(layout.document(listing, listing["mediaType"]), "docker.io/library/schema2:1")  # type: ignore[arg-type]  # a text among other things
    take(store, layout)
    found = blobs(save(store, "schema2:1", format=Format.OCI, layers=how))
    after = next(
        json.loads(data)
        for data in found.values()
        if data.startswith(b'{"schemaVersion"') and b'"layers"' in data
    )
    assert after["mediaType"] == types[manifest][0]
    assert [one["mediaType"] for one in after["layers"]] == [types[layer_type][1]] * 2
    assert [DECODED[how](found[one["digest"]]) for one in after["layers"]] == [A, B]


def test_a_foreign_layer_stays_what_its_urls_give(store: Store) -> None:
    layout = Layout()
    image = layout.image(foreign(gzip(A), "https://example.org/a"), gzip(B))
    layout.layer(gzip(A))
    layout.root(image, "docker.io/library/foreign:1")
    take(store, layout)
    (top,) = listed(archive := save(store, "foreign:1", format=Format.OCI, layers=Layers.PLAIN))
    before, after = (
        json.loads(layout.blobs[image["digest"]])["layers"],
        json.loads(blobs(archive)[top["digest"]])["layers"],
    )
    assert after == [before[0], {"mediaType": LAYER, "digest": digest(B), "size": len(B)}]
    assert blobs(archive)[before[0]["digest"]] == gzip(A).data


ODD_MANIFESTS = {
    "an annotation that is not UTF-8": (b',"annotations":{"a":"\xff"}}', None),
    "half a surrogate pair": (b',"annotations":{"a":"\\ud800"}}', None),
    "an unknown number beyond all floats": (b',"x":1e999}', errors.InvalidDocument),
    "an unknown number of five thousand digits": (
        b',"x":' + b"9" * 5000 + b"}",
        errors.InvalidDocument,
    ),
    "three thousand brackets": (
        b',"x":' + b"[" * 3000 + b"]" * 3000 + b"}",
        errors.InvalidDocument,
    ),
}


@pytest.mark.parametrize("odd", ODD_MANIFESTS)
def test_what_python_cannot_write_again_is_refused_and_the_rest_is_encoded_anew(
    store: Store, odd: str
) -> None:
    more, error = ODD_MANIFESTS[odd]
    layout = Layout()
    text = layout.blobs.pop(layout.image(gzip(A))["digest"])[:-1] + more
    root = layout.root(layout.blob(text, MANIFEST), "docker.io/library/odd:1")
    take(store, layout)
    assert list(store.fsck()) == []
    assert blobs(save(store, "odd:1", format=Format.OCI))[root["digest"]] == text
    if error is None:
        again = save(store, "odd:1", format=Format.OCI, layers=Layers.ZSTD)
        assert json.loads(blobs(again)[listed(again)[0]["digest"]])["annotations"]["a"] == "\ufffd"
    else:
        with pytest.raises(error) as caught:
            save(store, "odd:1", format=Format.OCI, layers=Layers.ZSTD)
        assert root["digest"] in caught.value.message


def test_documents_without_their_lists_are_encoded_anew_too(store: Store) -> None:
    layout = Layout()
    no_layers = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": layout.document(json.loads(config()), CONFIG),
    }
    for number, (document, media_type) in enumerate(
        (({"schemaVersion": 2, "mediaType": INDEX}, INDEX), (no_layers, MANIFEST))
    ):
        layout.root(layout.document(document, media_type), f"docker.io/library/bare:{number}")
    take(store, layout)
    assert len(listed(save(store, "bare:0", "bare:1", format=Format.OCI, layers=Layers.ZSTD))) == 2


def test_a_legacy_archive_has_plain_layers_only(store: Store, sample: Sample) -> None:
    with pytest.raises(errors.InvalidInput):
        save(store, sample.amd64["digest"], layers=Layers.GZIP)


@pytest.mark.usefixtures("sample")
def test_nothing_is_encoded_anew_unasked(store: Store) -> None:
    for format_ in (Format.OCI, Format.DOCKER):
        notes: list[str] = []
        found = blobs(save(store, "team/app:1", format=format_, notes=notes))
        assert found[digest(gzip(A).data)] == gzip(A).data
        assert found[digest(zstd(B).data)] == zstd(B).data
        assert any("zstd" in note for note in notes) is (format_ is Format.DOCKER)


def test_damage_is_found_while_it_streams(store: Store, sample: Sample, root: Path) -> None:
    name = json.loads(sample.layout.blobs[sample.arm64["digest"]])["layers"][1][
        "digest"
    ].removeprefix("sha256:")
    (path,) = (root / "blobs").rglob(name)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.chmod(0o600)
    path.write_bytes(bytes(data))
    with pytest.raises(errors.DamagedContent) as caught:
        save(store, "team/app:1", format=Format.OCI)
    assert caught.value.digest.hex == name


# --- as Docker 28 writes it -----------------------------------------------------------------------


def octal(number: int, width: int) -> bytes:
    return b"%0*o\0" % (width - 1, number)


def docker_28_entry(name: str, data: bytes | None) -> bytes:
    """A member as docs/formats/docker-archive.md §9 has it: from the epoch, no owner's name, no type bits in the mode."""
    mode, size, flag = (0o755, 0, b"5") if data is None else (0o644, len(data), b"0")
    fields = [
        name.encode().ljust(100, b"\0"), octal(mode, 8), octal(0, 8), octal(0, 8), octal(size, 12), octal(0, 12), b" " * 8, flag, bytes(100),
        b"ustar\x0000", bytes(64), octal(0, 8), octal(0, 8), bytes(167),
    ]  # fmt: skip
    header = bytearray(b"".join(fields))
    assert len(header) == 512
    header[148:156] = b"%06o\0 " % sum(header)
    body = data or b""
    return bytes(header) + body + bytes(-len(body) % 512)


def compact(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


EMPTY_CONFIG = (
    '{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,"Tty":false,"OpenStdin":false,"StdinOnce":false,'
    '"Env":null,"Cmd":null,"Image":"","Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":null}'
)
V2 = compact(
    {
        "created": None,
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [digest(A), digest(B)]},
    }
)
V2_BOTTOM = "a309493ca6907b37c6e09c91b459c9ceedf51e26889c4000b14455d6d31dcc27"
V2_CHAIN = "sha256:a4fb8770795237c59e7d7567eca5600337bbadc0a22e06e220c0d0cffcdb1b02"


def test_an_image_without_a_manifest_comes_out_as_docker_28_writes_it(store: Store) -> None:
    # Vector V2 of docs/formats/docker-archive.md §11, whose bottom v1 ID a real daemon has
    # confirmed; the rest is the text of §9.
    take(
        store,
        Archive()
        .file("a", A)
        .file("b", B)
        .file("c", V2)
        .manifest({"Config": "c", "RepoTags": ["v/two:1", "v/two:2"], "Layers": ["a", "b"]}),
    )
    manifest = compact(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": digest(V2),
                "size": len(V2),
            },
            "layers": [
                {
                    "mediaType": "application/vnd.oci.image.layer.v1.tar",
                    "digest": digest(one),
                    "size": len(one),
                }
                for one in (A, B)
            ],
        }
    )
    v1_bottom = f'{{"id":"{V2_BOTTOM}","created":"1970-01-01T00:00:00Z","container_config":{EMPTY_CONFIG},"os":"linux"}}'.encode()
    # §9: `created` is null when the config has none; so it is in the text of §2 that the ID is the
    # hash of.
    hashed = f'{{"container_config":{EMPTY_CONFIG},"created":null,"layer_id":"{V2_CHAIN}","os":"linux","parent":"sha256:{V2_BOTTOM}"}}'
    v1_id = digest(hashed.encode()).removeprefix("sha256:")
    v1_top = f'{{"id":"{v1_id}","parent":"{V2_BOTTOM}","created":null,"container_config":{EMPTY_CONFIG},"os":"linux"}}'.encode()
    sources = {
        digest(one): {
            "mediaType": "application/vnd.oci.image.layer.v1.tar",
            "size": len(one),
            "digest": digest(one),
        }
        for one in (A, B)
    }
    item = {
        "Config": f"blobs/sha256/{digest(V2)[7:]}",
        "RepoTags": ["v/two:1", "v/two:2"],
        "Layers": [f"blobs/sha256/{digest(one)[7:]}" for one in (A, B)],
        "LayerSources": {key: sources[key] for key in sorted(sources)},
    }
    described = {
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "digest": digest(manifest),
        "size": len(manifest),
    }
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [
            described
            | {
                "annotations": {
                    "io.containerd.image.name": f"docker.io/v/two:{tag}",
                    "org.opencontainers.image.ref.name": tag,
                }
            }
            for tag in "12"
        ],
    }
    top = digest(B)[7:]
    inside = {
        f"blobs/sha256/{digest(data)[7:]}": data for data in (A, B, V2, manifest, v1_bottom, v1_top)
    }
    last = {
        "index.json": compact(index),
        "manifest.json": compact([item]) + b"\n",
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        "repositories": compact({"v/two": {"1": top, "2": top}}) + b"\n",
    }
    expected = docker_28_entry("blobs/", None) + docker_28_entry("blobs/sha256/", None)
    expected += b"".join(docker_28_entry(name, inside[name]) for name in sorted(inside))
    expected += b"".join(docker_28_entry(name, data) for name, data in last.items()) + bytes(1024)
    assert files(archive := save(store, "v/two", format=Format.DOCKER)) == {**inside, **last}
    assert archive == expected


def test_parents_foreign_layers_and_images_without_a_tag_in_a_docker_archive(store: Store) -> None:
    base, child = config(A), config(A, B, config={"Labels": {"child": "yes"}})
    source = {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "size": 9,
        "digest": digest(b"x"),
        "urls": ["https://example.org/a"],
    }
    archive = Archive().file("a", A).file("b", B).file("base", base).file("child", child)
    archive.manifest(
        {"Config": "base", "RepoTags": None, "Layers": ["a"], "LayerSources": {digest(A): source}},
        {"Config": "child", "RepoTags": ["child:1"], "Layers": ["a", "b"], "Parent": digest(base)},
    )
    take(store, archive)
    saved = save(store, "child:1", digest(base), format=Format.DOCKER)
    items = json.loads(files(saved)["manifest.json"])
    assert [one["RepoTags"] for one in items] == [["child:1"], None]
    assert [one.get("Parent") for one in items] == [digest(base), None]
    assert all(one["LayerSources"][digest(A)] == source for one in items)
    assert "annotations" not in listed(saved)[1]
    assert "repositories" not in files(save(store, digest(base), format=Format.DOCKER))
    assert (
        "Parent"
        not in json.loads(files(save(store, "child:1", format=Format.DOCKER))["manifest.json"])[0]
    )


def test_manifest_json_speaks_of_the_platform_that_was_asked_for(
    store: Store, sample: Sample
) -> None:
    for machine, image in ((AMD64, sample.amd64), (ARM64, sample.arm64)):
        found = files(save(store, "team/app:1", format=Format.DOCKER, machine=machine))
        manifest = json.loads(sample.layout.blobs[image["digest"]])
        (item,) = json.loads(found["manifest.json"])
        assert item["Config"] == f"blobs/sha256/{manifest['config']['digest'][7:]}"
        assert item["Layers"] == [f"blobs/sha256/{one['digest'][7:]}" for one in manifest["layers"]]
        assert all(path in found for path in (item["Config"], *item["Layers"]))
        assert item["RepoTags"] == ["team/app:1"]
    notes: list[str] = []
    archive = save(store, "team/app:1", format=Format.DOCKER, machine=S390X, notes=notes)
    assert files(archive)["manifest.json"] == b"null\n"
    assert any("linux/s390x" in note for note in notes)


def test_an_artifact_goes_into_a_docker_archive(store: Store, sample: Sample) -> None:
    archive = save(store, sample.signature["digest"], format=Format.DOCKER)
    assert files(archive)["manifest.json"] == b"null\n"
    assert [one["digest"] for one in listed(archive)] == [sample.signature["digest"]]


# --- folders --------------------------------------------------------------------------------------


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


def test_a_folder_is_added_to_and_what_others_wrote_stays(
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
    # The bare tag `latest` is another image's: ours goes by its full name. Entries of the same
    # names are replaced in their places.
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


def test_a_blob_that_was_cut_short_is_written_anew(
    store: Store, sample: Sample, tmp_path: Path
) -> None:
    folder = tmp_path / "layout"
    save_folder(store, folder, "team/app:1")
    blob = folder / "blobs" / sample.arm64["digest"].replace(":", "/")
    blob.write_bytes(b"{")
    save_folder(store, folder, "team/app:1")
    assert blob.read_bytes() == sample.layout.blobs[sample.arm64["digest"]]


def test_without_a_name_it_is_listed_once(store: Store, sample: Sample, tmp_path: Path) -> None:
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
def test_what_a_killed_process_or_one_beside_us_has_left_is_ours(
    store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "layout"
    (folder / "blobs").mkdir(parents=True)
    (folder / ".storectl-abc.partial").write_bytes(b'{"image')
    save_folder(store, folder, "team/app:1")
    assert (folder / "oci-layout").read_bytes() == b'{"imageLayoutVersion": "1.0.0"}'


def test_what_is_half_written_is_no_layout(
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
    assert {one.name for one in folder.iterdir()} <= {"blobs"}
    assert not [name for name in tree(folder) if "partial" in name]


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
    take(store, layout)
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


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def run(
    root: Path, sample: Sample, store: Store, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    def shell(*arguments: str, code: int = 0) -> str:
        capsys.readouterr()
        assert cli.run(["--root", str(root), "save", *arguments]) == code
        return capsys.readouterr().err

    assert sample
    store.close()
    return shell


def test_options_of_the_command_reach_the_archive(
    run: Callable[..., str], root: Path, tmp_path: Path
) -> None:
    out = str(tmp_path / "out.tar")
    with Store.open(root) as store:
        asked: tuple[tuple[list[str], dict[str, Any]], ...] = (
            (["--format", "oci", "--referrers"], {"format": Format.OCI, "referrers": True}),
            (
                ["--format", "oci", "--platform", "linux/arm64", "--platform", "linux/amd64"],
                {"format": Format.OCI, "platforms": (ARM64, AMD64)},
            ),
            (
                ["--format", "oci", "--platform", "linux/amd64", "--sparse"],
                {"format": Format.OCI, "platforms": (AMD64,), "sparse": True},
            ),
            (
                ["--format", "docker", "--all-platforms", "--layers", "gzip"],
                {"format": Format.DOCKER, "layers": Layers.GZIP},
            ),
            (["--platform", "linux/arm64"], {"platforms": (ARM64,)}),
        )
        for arguments, options in asked:
            run("-q", *arguments, "-o", out, "team/app:1")
            assert (tmp_path / "out.tar").read_bytes() == save(store, "team/app:1", **options)


def test_a_compressed_archive_is_the_archive_compressed(
    run: Callable[..., str], root: Path, tmp_path: Path
) -> None:
    for codec, decode in (("gzip", gzip_module.decompress), ("zstd", DECODED[Layers.ZSTD])):
        found = []
        for number in range(2):
            path = tmp_path / f"{number}.tar.{codec}"
            run("-q", "--format", "oci", "--compress", codec, "-o", str(path), "team/app:1")
            found.append(path.read_bytes())
        assert found[0] == found[1]
        with Store.open(root) as store:
            assert decode(found[0]) == save(store, "team/app:1", format=Format.OCI)
        if codec == "gzip":
            assert found[0][:10] == bytes.fromhex("1f8b0800000000000003")
        with Store.open(tmp_path / codec, create=True) as other:
            assert other.import_archive(tmp_path / f"0.tar.{codec}").changed


def test_the_command_writes_folders_and_says_what_was_left_out(
    run: Callable[..., str], tmp_path: Path
) -> None:
    run("--format", "oci", "-o", f"{tmp_path / 'new'}/", "team/app:1")
    assert (tmp_path / "new" / "index.json").exists()
    run(
        "--format",
        "oci",
        "-o",
        str(tmp_path / "new"),
        "--platform",
        "linux/arm64",
        "team/app:latest",
    )
    assert len(json.loads((tmp_path / "new" / "index.json").read_bytes())["manifests"]) == 2
    assert "left out: linux/arm64" in run(
        "-o", str(tmp_path / "out.tar"), "--platform", "linux/amd64", "team/app:1"
    )


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--all-platforms",), 2),
        (("--format", "oci", "--all-platforms", "--platform", "linux/amd64"), 2),
        (("--format", "oci", "--all-platforms", "--sparse"), 2),
        (("--referrers",), 2),
        (("--sparse",), 2),
        (("--layers", "gzip"), 2),
        (("--format", "oci", "--compress", "gzip", "-o", "{folder}/"), 2),
        (("--format", "docker", "-o", "{folder}/"), 4),
        (("-o", "{folder}/"), 4),
        (("--format", "oci", "--platform", "linux", "-o", "{folder}/"), 4),
        (("--format", "oci", "--platform", "linux/s390x", "-o", "{folder}/"), 4),
    ],
)
def test_what_does_not_go_together_is_refused(
    run: Callable[..., str], tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    run(*(one.format(folder=tmp_path / "folder") for one in arguments), "team/app:1", code=code)
    assert not (tmp_path / "folder").exists()
