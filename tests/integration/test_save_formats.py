"""Archives with a layout, written: what was taken in comes out with every digest it had, and nothing that is not there is passed over in silence."""

from __future__ import annotations

import concurrent.futures
import gzip as gzip_module
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

import exporter
from exporter import Format, Layers, SaveOptions
from store import Platform, Store, errors
from tests.support.images import A, Archive, B, E, config, layer
from tests.support.layouts import MANIFEST, Layout, digest, encode, gzip, plain, zstd

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from store import Digest

C = layer("c.txt", b"gamma\n")
LARGE = layer("large", b"0123456789abcdef" * 20_000)


def save(store: Store, *names: str, **options: Any) -> bytes:  # noqa: ANN401 - the options of a save
    out = io.BytesIO()
    with exporter.open_save(store, names, options=SaveOptions(**options)) as export:
        export.write(out)
        assert len(out.getvalue()) == export.size_bytes
    return out.getvalue()


def files(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        found = {}
        for member in tar:
            assert (member.uid, member.uname, member.mode & 0o7000) == (0, "", 0)
            if member.isfile():
                found[member.name] = tar.extractfile(member).read()  # type: ignore[union-attr]
        return found


def blobs(archive: bytes) -> dict[str, bytes]:
    found = {
        name.removeprefix("blobs/").replace("/", ":"): data
        for name, data in files(archive).items()
        if name.startswith("blobs/")
    }
    for name, data in found.items():
        assert digest(data, name.partition(":")[0]) == name
    return found


def listed(archive: bytes) -> list[tuple[str, str, str]]:
    """(digest, full name, ref name) of each entry of index.json."""
    index = json.loads(files(archive)["index.json"])
    entries = [(one["digest"], one.get("annotations", {})) for one in index["manifests"]]
    return [
        (
            name,
            notes.get("io.containerd.image.name", ""),
            notes.get("org.opencontainers.image.ref.name", ""),
        )
        for name, notes in entries
    ]


def rich() -> tuple[Layout, dict[str, dict[str, Any]]]:
    """An index with three platforms and attestations, a signature and a note on it, a cosign tag, and another repository with the same tag."""
    layout = Layout()
    amd64 = layout.image(
        gzip(A),
        zstd(B),
        plain(LARGE),
        platform="linux/amd64",
        config={"config": {"Labels": {"stage": "prod"}}},
    )
    arm64 = layout.image(gzip(A), gzip(C), platform="linux/arm64/v8")
    arm = layout.image(gzip(C), platform="linux/arm/v7")
    top = layout.root(
        layout.index(amd64, layout.attestation(amd64), arm64, arm),
        "docker.io/team/app:1",
        "docker.io/team/app:latest",
    )
    signature = layout.root(layout.artifact(b"signed", subject=top))
    note = layout.root(layout.artifact(b"about the signature", subject=signature))
    cosign = layout.root(
        layout.artifact(b"cosign"), f"docker.io/team/app:{top['digest'].replace(':', '-')}.sig"
    )
    other = layout.root(layout.image(gzip(E), algorithm="sha512"), "example.org/other:1")
    return layout, {
        "amd64": amd64,
        "arm64": arm64,
        "arm": arm,
        "top": top,
        "signature": signature,
        "note": note,
        "cosign": cosign,
        "other": other,
    }


@pytest.fixture
def filled(store: Store) -> Store:
    store.import_archive(io.BytesIO(rich()[0].tar()))
    return store


@pytest.mark.parametrize("format_", [Format.OCI, Format.DOCKER])
def test_everything_comes_out_as_it_came(filled: Store, format_: Format) -> None:
    layout, made = rich()
    archive = save(
        filled,
        "team/app",
        "example.org/other:1",
        made["signature"]["digest"],
        made["note"]["digest"],
        format=format_,
    )
    assert blobs(archive) == layout.blobs
    # Docker's own bare tags, or names that tell the repositories apart.
    shared = (
        ("1", "1") if format_ is Format.DOCKER else ("docker.io/team/app:1", "example.org/other:1")
    )
    assert (
        listed(archive)
        == [
            (made["top"]["digest"], "docker.io/team/app:1", shared[0]),
            (made["top"]["digest"], "docker.io/team/app:latest", "latest"),
            (
                made["cosign"]["digest"],
                f"docker.io/team/app:{made['top']['digest'].replace(':', '-')}.sig",
                f"{made['top']['digest'].replace(':', '-')}.sig",
            ),
            (made["other"]["digest"], "example.org/other:1", shared[1]),
            (made["signature"]["digest"], "", ""),
            (made["note"]["digest"], "", ""),
        ]
        or format_ is Format.OCI
    )
    assert (
        save(
            filled,
            "team/app",
            "example.org/other:1",
            made["signature"]["digest"],
            made["note"]["digest"],
            format=format_,
        )
        == archive
    )


def test_referrers_come_along_when_asked_for(filled: Store) -> None:
    _, made = rich()
    assert made["signature"]["digest"] not in blobs(save(filled, "team/app:1", format=Format.OCI))
    found = listed(save(filled, "team/app:1", format=Format.OCI, referrers=True))
    assert {name for name, _, _ in found} == {
        made[key]["digest"] for key in ("top", "signature", "note", "cosign")
    }
    assert [full for name, full, _ in found if name == made["cosign"]["digest"]] == [
        f"docker.io/team/app:{made['top']['digest'].replace(':', '-')}.sig"
    ]


def test_platforms_are_roots_of_their_own(filled: Store) -> None:
    _, made = rich()
    archive = save(
        filled,
        "team/app:1",
        format=Format.OCI,
        platforms=(Platform.parse("linux/arm64"), Platform.parse("linux/amd64")),
    )
    # One name is one image: the first platform has it.
    assert [(name, full) for name, full, _ in listed(archive)] == [
        (made["arm64"]["digest"], "docker.io/team/app:1"),
        (made["amd64"]["digest"], ""),
    ]
    assert made["top"]["digest"] not in blobs(archive)
    sparse = save(
        filled,
        "team/app:1",
        format=Format.OCI,
        platforms=(Platform.parse("linux/arm64"),),
        sparse=True,
    )
    assert [name for name, _, _ in listed(sparse)] == [made["top"]["digest"]]
    assert made["amd64"]["digest"] not in blobs(sparse)
    with pytest.raises(errors.InvalidInput, match="nothing of team/app:1 is for windows") as caught:
        save(filled, "team/app:1", format=Format.OCI, platforms=(Platform.parse("windows/amd64"),))
    assert "linux/arm/v7" in (caught.value.hint or "")
    with pytest.raises(errors.InvalidInput, match="is not for linux/arm64"):
        save(
            filled,
            "example.org/other:1",
            format=Format.OCI,
            platforms=(Platform.parse("linux/arm64"),),
        )


def test_a_legacy_archive_has_one_platform_and_says_so(filled: Store) -> None:
    def chosen(
        **options: Any,  # noqa: ANN401
    ) -> tuple[str, tuple[str, ...]]:
        with exporter.open_save(filled, ["team/app:1"], options=SaveOptions(**options)) as export:
            return str(export.images[0]), export.notes

    layout, made = rich()
    ids = {
        key: json.loads(layout.blobs[made[key]["digest"]])["config"]["digest"]
        for key in ("amd64", "arm64", "arm")
    }
    assert chosen()[0] == ids["amd64"]
    assert chosen(machine=Platform.parse("linux/aarch64"))[0] == ids["arm64"]
    assert chosen(machine=Platform.parse("linux/arm/v8"))[0] == ids["arm"]
    image, notes = chosen(platforms=(Platform.parse("linux/arm/v7"),))
    assert image == ids["arm"]
    assert notes == ("team/app:1: saved linux/arm/v7; left out: linux/amd64, linux/arm64",)
    with pytest.raises(errors.InvalidInput, match="nothing of team/app:1 is for linux/riscv64"):
        chosen(machine=Platform.parse("linux/riscv64"))
    with pytest.raises(errors.InvalidInput, match=r"example\.org/other:1 is not for linux/arm64"):
        save(filled, "example.org/other:1", platforms=(Platform.parse("linux/arm64"),))
    with pytest.raises(errors.ReferenceNotFound, match="is no image"):
        save(filled, f"team/app:{made['top']['digest'].replace(':', '-')}.sig")


def test_what_is_not_here_is_not_passed_over(store: Store) -> None:
    layout = Layout()
    image = layout.image(gzip(A))
    layout.root(layout.index(image, layout.absent("linux/s390x")), "docker.io/team/sparse:1")
    store.import_archive(io.BytesIO(layout.tar()))
    for format_ in (Format.OCI, Format.DOCKER):
        with pytest.raises(errors.IncompleteImage) as caught:
            save(store, "team/sparse:1", format=format_)
        assert "linux/s390x" in caught.value.missing[0]
        assert len(blobs(save(store, "team/sparse:1", format=format_, sparse=True))) == len(
            layout.blobs
        )
        assert (
            len(
                listed(
                    save(
                        store,
                        "team/sparse:1",
                        format=format_,
                        platforms=(Platform.parse("linux/amd64"),),
                    )
                )
            )
            == 1
        )
    assert save(store, "team/sparse:1")


def foreign_layout() -> Layout:
    layout = Layout()
    image = layout.image(gzip(A), gzip(B))
    document = json.loads(layout.blobs.pop(image["digest"]))
    document["layers"][0] |= {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "urls": ["https://example.org/a"],
    }
    del layout.blobs[document["layers"][0]["digest"]]
    layout.root(layout.document(document, MANIFEST), "docker.io/library/foreign:1")
    return layout


def test_foreign_layers_count_as_closed_but_in_a_legacy_archive(store: Store) -> None:
    layout = foreign_layout()
    store.import_archive(io.BytesIO(layout.tar()))
    for format_ in (Format.OCI, Format.DOCKER):
        assert blobs(save(store, "foreign:1", format=format_)) == layout.blobs
    with pytest.raises(errors.IncompleteImage, match=r"fetched from https://example\.org/a"):
        save(store, "foreign:1")
    store.import_archive(
        io.BytesIO(
            Archive()
            .file("l", A)
            .file("c", config(A))
            .manifest({"Config": "c", "RepoTags": None, "Layers": ["l"]})
            .bytes()
        )
    )
    assert b"https://example.org/a" in save(store, "foreign:1")


# --- the format of Docker 28 ----------------------------------------------------------------------


def test_an_image_from_a_docker_archive_looks_as_docker_28_writes_it(store: Store) -> None:
    top = config(A, B, A, created="2020-02-29T12:34:56.120Z", author="me")
    bare = config(C)
    made = Archive().file("a", A).file("b", B).file("c", C).file("top", top).file("bare", bare)
    made.manifest(
        {"Config": "top", "RepoTags": ["team/app:1", "team/app:2"], "Layers": ["a", "b", "a"]},
        {"Config": "bare", "RepoTags": ["x:1"], "Layers": ["c"]},
    )
    store.import_archive(io.BytesIO(made.bytes()))
    archive = save(store, "team/app", "x", format=Format.DOCKER)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        names = [member.name + "/" * member.isdir() for member in tar]
    assert names[:2] == ["blobs/", "blobs/sha256/"]
    assert names[2:-4] == sorted(names[2:-4])
    assert names[-4:] == ["index.json", "manifest.json", "oci-layout", "repositories"]
    found = files(archive)
    assert found["oci-layout"] == b'{"imageLayoutVersion": "1.0.0"}'

    def path(data: bytes) -> str:
        return f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"

    def source(data: bytes) -> str:
        return f'"{digest(data)}":{{"mediaType":"application/vnd.oci.image.layer.v1.tar","size":{len(data)},"digest":"{digest(data)}"}}'

    def sources(*layers: bytes) -> str:
        return "{" + ",".join(sorted(map(source, layers))) + "}"

    assert (
        found["manifest.json"].decode()
        == f'[{{"Config":"{path(top)}","RepoTags":["team/app:1","team/app:2"],"Layers":["{path(A)}","{path(B)}","{path(A)}"],"LayerSources":{sources(A, B)}}},'
        f'{{"Config":"{path(bare)}","RepoTags":["x:1"],"Layers":["{path(C)}"],"LayerSources":{sources(C)}}}]\n'
    )
    a, c = digest(A)[7:], digest(C)[7:]
    assert (
        found["repositories"].decode()
        == f'{{"team/app":{{"1":"{a}","2":"{a}"}},"x":{{"1":"{c}"}}}}\n'
    )

    def manifest(document: bytes, *layers: bytes) -> bytes:
        of_layers = ",".join(
            f'{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{digest(one)}","size":{len(one)}}}'
            for one in layers
        )
        return (
            f'{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{digest(document)}",'
            f'"size":{len(document)}}},"layers":[{of_layers}]}}'
        ).encode()

    def descriptor(document: bytes, name: str) -> str:
        return (
            f'{{"mediaType":"{MANIFEST}","digest":"{digest(document)}","size":{len(document)},"annotations":{{"io.containerd.image.name":"docker.io/{name}",'
            f'"org.opencontainers.image.ref.name":"{name.rpartition(":")[2]}"}}}}'
        )

    one, two = manifest(top, A, B, A), manifest(bare, C)
    expected = ",".join(
        (
            descriptor(one, "team/app:1"),
            descriptor(one, "team/app:2"),
            descriptor(two, "library/x:1"),
        )
    )
    index = json.loads(found["index.json"])
    # Two repositories share the tag 1 here, so that its short name would be ambiguous.
    for entry in index["manifests"]:
        entry["annotations"]["org.opencontainers.image.ref.name"] = entry["annotations"][
            "io.containerd.image.name"
        ].rpartition(":")[2]
    assert (
        json.dumps(index, separators=(",", ":"))
        == f'{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{expected}]}}'
    )
    stored = {name for name in found if name.startswith("blobs/")}
    described = {path(data) for data in (A, B, C, top, bare, one, two)}
    assert described < stored
    v1 = [json.loads(found[name]) for name in stored - described]
    # One v1 document for each v1 ID: three layers of the one, one of the other, and null for what
    # was not told.
    assert len(v1) == 4
    assert sorted(str(document["created"]) for document in v1) == [
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z",
        "2020-02-29T12:34:56.12Z",
        "None",
    ]
    assert {document.get("parent") for document in v1} - {None} < {
        document["id"] for document in v1
    }
    # Files have the time of the image that they were first written for, and manifests none; the
    # folder has that of the last image.
    seconds = 1582979696
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        times = {member.name: member.mtime for member in tar}
    assert {name for name, time in times.items() if time == seconds} == {
        path(A),
        path(B),
        path(top),
    } | {
        name
        for name in stored - described
        if json.loads(found[name])["id"]
        in {v["id"] for v in v1 if v.get("os") == "linux" and v["created"] is not None}
    }
    assert set(times.values()) == {0, seconds}


def test_a_docker_archive_of_one_image_has_dockers_own_index(store: Store) -> None:
    store.import_archive(
        io.BytesIO(
            Archive()
            .file("a", A)
            .file("c", config(A))
            .manifest({"Config": "c", "RepoTags": ["x:1"], "Layers": ["a"]})
            .bytes()
        )
    )
    entry = json.loads(files(save(store, "x", format=Format.DOCKER))["index.json"])["manifests"][0]
    assert entry["annotations"] == {
        "io.containerd.image.name": "docker.io/library/x:1",
        "org.opencontainers.image.ref.name": "1",
    }
    by_id = files(save(store, digest(config(A)), format=Format.DOCKER))
    assert "repositories" not in by_id
    assert "annotations" not in json.loads(by_id["index.json"])["manifests"][0]
    assert json.loads(by_id["manifest.json"])[0]["RepoTags"] is None


def test_manifest_json_points_at_the_blobs_as_they_came(filled: Store) -> None:
    layout, made = rich()
    with exporter.open_save(
        filled, ["team/app:1"], options=SaveOptions(format=Format.DOCKER)
    ) as export:
        assert any("zstd" in note for note in export.notes)
    (item,) = json.loads(files(save(filled, "team/app:1", format=Format.DOCKER))["manifest.json"])
    document = json.loads(layout.blobs[made["amd64"]["digest"]])
    assert item["Layers"] == [
        f"blobs/{link['digest'].replace(':', '/')}" for link in document["layers"]
    ]
    assert item["RepoTags"] == ["team/app:1"]
    nothing = save(filled, "team/app:1", format=Format.DOCKER, machine=Platform.parse("plan9/386"))
    assert files(nothing)["manifest.json"] == b"null\n"


def test_parents_of_a_docker_archive_stay(store: Store) -> None:
    parent, child = config(A), config(A, B)
    made = Archive().file("a", A).file("b", B).file("p", parent).file("c", child)
    made.manifest(
        {"Config": "p", "RepoTags": ["p:1"], "Layers": ["a"]},
        {"Config": "c", "RepoTags": ["c:1"], "Layers": ["a", "b"], "Parent": digest(parent)},
    )
    store.import_archive(io.BytesIO(made.bytes()))
    items = json.loads(files(save(store, "p:1", "c:1", format=Format.DOCKER))["manifest.json"])
    assert items[1]["Parent"] == digest(parent)
    assert (
        "Parent"
        not in json.loads(files(save(store, "c:1", format=Format.DOCKER))["manifest.json"])[0]
    )


# --- layers encoded anew --------------------------------------------------------------------------


@pytest.mark.parametrize("how", list(Layers))
def test_layers_are_encoded_anew(filled: Store, how: Layers, tmp_path: Path) -> None:
    layout, made = rich()
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


def test_what_is_encoded_so_already_stays_as_it_is(store: Store) -> None:
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
                "signatures and other referrers speak of the digests before the layers were encoded"
                " anew"
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


# --- folders --------------------------------------------------------------------------------------


def run(store: Store, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "storectl", "--root", str(store.root), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_folder_is_a_layout_and_is_added_to(filled: Store, tmp_path: Path) -> None:
    layout, made = rich()
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
    # Who has to wait for another for long says so, and nothing else.
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
    assert (done.returncode, "no image layout" in done.stderr) == (4, True)
    done = run(filled, "save", "--format", "oci", "-o", f"{tmp_path}/none/here/", "team/app:1")
    assert (done.returncode, "there is no folder" in done.stderr) == (4, True)
    done = run(filled, "save", "--format", "docker", "-o", f"{tmp_path}/home", "team/app:1")
    assert (done.returncode, "is a folder" in done.stderr) == (4, True)
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
    assert (done.returncode, "is no index" in done.stderr) == (4, True)
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
        ("--all-platforms",),
        ("--referrers",),
        ("--sparse",),
        ("--layers", "gzip"),
        ("--format", "oci", "--all-platforms", "--platform", "linux/amd64"),
        ("--format", "oci", "--compress", "gzip", "-o", "folder/"),
    ],
)
def test_what_does_not_go_together_is_said(filled: Store, arguments: tuple[str, ...]) -> None:
    assert run(filled, "save", *arguments, "team/app:1").returncode == 2


def test_names_are_found_as_they_are_typed(filled: Store) -> None:
    _, made = rich()
    arm = made["arm64"]["digest"]
    image = str(filled.inspect("team/app:1").image_id)
    for name, wanted in (
        (f"team/app@{arm}", arm),
        (arm, arm),
        (image, made["amd64"]["digest"]),
        (image[7:19], made["amd64"]["digest"]),
    ):
        assert [found for found, _, _ in listed(save(filled, name, format=Format.OCI))] == [wanted]
    for name in (
        "nothing",
        "team/app:none",
        f"team/app@{digest(b'none')}",
        digest(b"none"),
        "deadbeef",
    ):
        with pytest.raises(errors.NotFound):
            save(filled, name, format=Format.OCI)
    with pytest.raises(errors.InvalidInput):
        save(filled, "Bad", format=Format.OCI)


def test_a_tag_that_moves_while_a_save_begins_is_leased_where_it_went(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, one in enumerate((A, B)):
        layout = Layout()
        layout.root(layout.image(gzip(one)), f"docker.io/library/x:{number}")
        store.import_archive(io.BytesIO(layout.tar()))
    real = store.leased
    leases: list[set[str]] = []

    def leased(kind: str, digests: set[Digest]) -> AbstractContextManager[Path]:
        if not leases:
            # Somebody is faster.
            store.tag("x:1", "x:0")
        leases.append({str(one) for one in digests})
        return real(kind, digests)

    monkeypatch.setattr(store, "leased", leased)
    with exporter.open_save(store, ["x:0"]) as export:
        assert str(export.images[0]) == str(store.inspect("x:1").image_id)
    assert len(leases) == 2
    assert digest(B) in leases[1]


def test_nothing_but_artifacts_is_no_legacy_archive(store: Store) -> None:
    layout = Layout()
    layout.root(layout.artifact(b"thing"), "docker.io/team/thing:1")
    store.import_archive(io.BytesIO(layout.tar()))
    with pytest.raises(errors.ReferenceNotFound, match="no tag of team/thing is an image"):
        save(store, "team/thing")
