"""A save in any format preserves what was imported."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Engine, event

import exporter
from exporter import Format, SaveOptions
from store import Platform, Store, errors
from tests.support.images import A, Archive, B, config, layer
from tests.support.layouts import MANIFEST, Layout, digest, gzip

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from store import Digest
from tests.support.rich_layouts import C, blobs, files, foreign_layout, listed, rich_layout, save


@pytest.fixture
def filled(store: Store) -> Store:
    store.import_archive(io.BytesIO(rich_layout()[0].tar()))
    return store


@pytest.mark.parametrize("format_", [Format.OCI, Format.DOCKER])
def test_everything_is_saved_as_it_was_imported(filled: Store, format_: Format) -> None:
    layout, made = rich_layout()
    archive = save(
        filled,
        "team/app",
        "example.org/other:1",
        made["signature"]["digest"],
        made["note"]["digest"],
        format=format_,
    )
    assert blobs(archive) == layout.blobs
    # The Docker format writes bare tags; other formats write full names, which differ by
    # repository.
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
    _, made = rich_layout()
    assert made["signature"]["digest"] not in blobs(save(filled, "team/app:1", format=Format.OCI))
    found = listed(save(filled, "team/app:1", format=Format.OCI, referrers=True))
    assert {name for name, _, _ in found} == {
        made[key]["digest"] for key in ("top", "signature", "note", "cosign")
    }
    assert [full for name, full, _ in found if name == made["cosign"]["digest"]] == [
        f"docker.io/team/app:{made['top']['digest'].replace(':', '-')}.sig"
    ]


def test_platforms_are_roots_of_their_own(filled: Store) -> None:
    _, made = rich_layout()
    archive = save(
        filled,
        "team/app:1",
        format=Format.OCI,
        platforms=(Platform.parse("linux/arm64"), Platform.parse("linux/amd64")),
    )
    # A name can refer to one image only: the first platform gets it.
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
    with pytest.raises(errors.InvalidInput, match="cannot save team/app:1 for windows") as caught:
        save(filled, "team/app:1", format=Format.OCI, platforms=(Platform.parse("windows/amd64"),))
    assert "linux/arm/v7" in (caught.value.hint or "")
    with pytest.raises(errors.InvalidInput, match="for linux/arm64: the image is for linux/"):
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

    layout, made = rich_layout()
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
    # Like `history` and `inspect`: the first image, if this machine has none.
    assert chosen(machine=Platform.parse("linux/riscv64"))[0] == ids["amd64"]
    with pytest.raises(errors.InvalidInput, match="cannot save team/app:1 for linux/riscv64"):
        chosen(platforms=(Platform.parse("linux/riscv64"),))
    with pytest.raises(
        errors.InvalidInput, match=r"cannot save example\.org/other:1 for linux/arm64"
    ):
        save(filled, "example.org/other:1", platforms=(Platform.parse("linux/arm64"),))
    with pytest.raises(errors.ReferenceNotFound, match="it is an artifact"):
        save(filled, f"team/app:{made['top']['digest'].replace(':', '-')}.sig")


def test_missing_content_is_not_skipped(store: Store) -> None:
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


def test_foreign_layers_may_be_absent_except_in_a_legacy_archive(store: Store) -> None:
    layout = foreign_layout()
    store.import_archive(io.BytesIO(layout.tar()))
    for format_ in (Format.OCI, Format.DOCKER):
        assert blobs(save(store, "foreign:1", format=format_)) == layout.blobs
    with pytest.raises(
        errors.IncompleteImage,
        match=r"does not have it\. It can be downloaded from https://example\.org/a",
    ):
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
        return (
            f'"{digest(data)}":{{"mediaType":"application/vnd.oci.image.layer.v1.tar",'
            f'"size":{len(data)},"digest":"{digest(data)}"}}'
        )

    def sources(*layers: bytes) -> str:
        return "{" + ",".join(sorted(map(source, layers))) + "}"

    assert (
        found["manifest.json"].decode()
        == f'[{{"Config":"{path(top)}","RepoTags":["team/app:1","team/app:2"],'
        f'"Layers":["{path(A)}","{path(B)}","{path(A)}"],"LayerSources":{sources(A, B)}}},'
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
        == '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json",'
        f'"manifests":[{expected}]}}'
    )
    stored = {name for name in found if name.startswith("blobs/")}
    described = {path(data) for data in (A, B, C, top, bare, one, two)}
    assert described < stored
    v1 = [json.loads(found[name]) for name in stored - described]
    # There is one v1 document for each v1 ID: three layers of one image, one of the other, and null
    # for values that the config lacks.
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
    # A file has the time of the first image that uses it. Manifests have no time. The folder has
    # the time of the last image.
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


def test_manifest_json_points_at_the_original_blobs(filled: Store) -> None:
    layout, made = rich_layout()
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
    # The first image, if this machine has none.
    other = save(filled, "team/app:1", format=Format.DOCKER, machine=Platform.parse("plan9/386"))
    assert json.loads(files(other)["manifest.json"]) == [item]


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


def test_names_are_found_as_they_are_typed(filled: Store) -> None:
    _, made = rich_layout()
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


def test_a_save_leases_the_new_target_of_a_tag_that_moves_as_it_begins(
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
            # Another process moves the tag first.
            store.tag("x:1", "x:0")
        leases.append({str(one) for one in digests})
        return real(kind, digests)

    monkeypatch.setattr(store, "leased", leased)
    with exporter.open_save(store, ["x:0"]) as export:
        assert str(export.images[0]) == str(store.inspect("x:1").image_id)
    assert len(leases) == 2
    assert digest(B) in leases[1]


def test_artifacts_alone_cannot_be_saved_as_a_legacy_archive(store: Store) -> None:
    layout = Layout()
    layout.root(layout.artifact(b"thing"), "docker.io/team/thing:1")
    store.import_archive(io.BytesIO(layout.tar()))
    with pytest.raises(errors.ReferenceNotFound, match="all of its tags name artifacts"):
        save(store, "team/thing")


@pytest.mark.parametrize("format_", list(Format))
def test_the_number_of_statements_does_not_grow_with_the_number_of_names(
    store: Store, format_: Format
) -> None:
    made, items = Archive(), []
    for number in range(60):
        one = layer(f"f{number}", b"x")
        made.file(f"l{number}", one).file(f"c{number}", config(one))
        items.append(
            {"Config": f"c{number}", "RepoTags": [f"app{number}:1"], "Layers": [f"l{number}"]}
        )
    store.import_archive(io.BytesIO(made.manifest(*items).bytes()))

    def statements(count: int) -> int:
        sent: list[str] = []

        def note(*given: object) -> None:
            sent.append(str(given[2]))

        event.listen(Engine, "before_cursor_execute", note)
        try:
            names = [f"app{number}:1" for number in range(count)]
            options = SaveOptions(format=format_)
            with exporter.open_save(store, names, options=options, record=False) as export:
                export.write(io.BytesIO())
        finally:
            event.remove(Engine, "before_cursor_execute", note)
        return len(sent)

    assert statements(60) == statements(2)
