"""What is not chosen from an archive cannot refuse what is; names follow the tools' conventions."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

import pytest

import exporter
from exporter import Format, SaveOptions
from store import Choice, ImportOptions, Reference, Store, errors
from store.model.digests import Digest
from store.model.references import Repository
from store.registry.registry import Registry
from tests.support.images import A, Archive, B, config
from tests.support.imported_layouts import assert_has_all, content
from tests.support.layouts import REF_NAME, Layout, gzip

if TYPE_CHECKING:
    from pathlib import Path

    from store.importing.report import ImportReport

APP = Reference.parse("demo/app:1")


def load(store: Store, layout: Layout, **choice: Any) -> ImportReport:  # noqa: ANN401 - passed on
    options = ImportOptions(choice=Choice(**choice))
    return store.import_archive(io.BytesIO(layout.tar()), options)


def saved(store: Store, *names: str, referrers: bool = False) -> io.BytesIO:
    options = SaveOptions(format=Format.OCI, referrers=referrers)
    out = io.BytesIO()
    with exporter.open_save(store, names, options=options) as export:
        export.write(out)
    return io.BytesIO(out.getvalue())


@pytest.mark.parametrize("fault", ["missing", "damaged", "no-layer"])
def test_a_layer_that_is_not_chosen_may_be_missing_or_damaged(store: Store, fault: str) -> None:
    layout = Layout()
    layout.root(layout.image(gzip(A)), "docker.io/demo/app:1")
    other = layout.root(layout.image(gzip(B)), "docker.io/demo/other:1")
    (layer,) = json.loads(layout.blobs[other["digest"]])["layers"]
    data = layout.blobs.pop(layer["digest"])
    if fault != "missing":
        layout.blobs[layer["digest"]] = data[:-4] if fault == "damaged" else b"text"
    assert load(store, layout, images=("demo/app",)).lines == ("Loaded image: demo/app:1",)
    with pytest.raises(errors.InvalidInput):
        load(store, layout)
    assert list(store.fsck()) == []


def test_an_image_that_is_not_chosen_may_be_broken_in_a_docker_archive(
    store: Store, tmp_path: Path
) -> None:
    good, bad = config(A), config(B)
    archive = (
        Archive()
        .file("good.json", good)
        .file("good.tar", A)
        .file("bad.json", bad)
        .manifest(
            {"Config": "good.json", "RepoTags": ["good:1"], "Layers": ["good.tar"]},
            {"Config": "bad.json", "RepoTags": ["Bad:1", "bad:1"], "Layers": ["gone.tar"]},
        )
    )
    path = tmp_path / "archive.tar"
    path.write_bytes(archive.bytes())
    chosen = ImportOptions(choice=Choice(images=("good",)))
    for source in (path, io.BytesIO(path.read_bytes())):
        assert store.import_archive(source, chosen).lines == ("Loaded image: good:1",)
    with pytest.raises(errors.MissingLayers):
        store.import_archive(path)


@pytest.mark.parametrize("kind", ["dev.hauler/", "dev.cosignproject.cosign/"])
def test_a_signature_that_shares_the_name_of_its_image_gets_the_tag_of_cosign(
    store: Store, tmp_path: Path, kind: str
) -> None:
    layout = Layout()
    signed = layout.image(gzip(A))
    parts = [("image", signed), ("sigs", layout.artifact(b"signature"))]
    parts += [("sboms", layout.artifact(b"list of packages"))]
    bundle = layout.artifact(
        b"bundle",
        subject=signed,
        artifact_type="application/vnd.dev.sigstore.bundle.v0.3+json",
    )
    hexadecimal = bundle["digest"].partition(":")[2]
    for role, one in (*parts, (f"referrers/{hexadecimal}", bundle)):
        layout.root(one, **{"kind": kind + role, REF_NAME: "demo/app:1"})
    load(store, layout)
    tag = signed["digest"].replace(":", "-")
    expected = {"1", f"{tag}.sig", f"{tag}.sbom"}
    assert _tags(store) == expected
    assert_has_all(store, layout)
    found = store.inspect_manifest(signed["digest"]).referrers
    assert [str(digest) for digest in found] == [bundle["digest"]]
    # All of it is saved with the image, and comes back.
    with Store.open(tmp_path / "other", create=True) as other:
        other.import_archive(saved(store, "demo/app:1", referrers=True))
        assert _tags(other) == expected
        assert_has_all(other, layout)


def test_the_image_of_a_cosign_layout_gets_the_tag(store: Store) -> None:
    layout = Layout()
    signed = layout.image(gzip(A))
    for role, one in (("image", signed), ("sigs", layout.artifact(b"signature"))):
        layout.root(one, kind=f"dev.cosignproject.cosign/{role}")
    load(store, layout, tag=APP)
    assert _tags(store) == {"1", signed["digest"].replace(":", "-") + ".sig"}


def test_content_of_an_unknown_type_is_kept_served_and_saved(store: Store, tmp_path: Path) -> None:
    layout = Layout()
    layout.root(layout.image(gzip(A)), "docker.io/demo/app:1")
    thing = layout.blob(b'{"some":"thing"}', "application/vnd.example.thing.v1+json")
    layout.roots.append({**thing, "annotations": {REF_NAME: "demo/thing:1"}})
    unnamed = layout.blob(b"other", "text/plain")
    layout.roots.append(unnamed)
    report = load(store, layout)
    assert "Loaded image: demo/thing:1" in report.lines
    assert_has_all(store, layout)
    assert not load(store, layout).changed
    with Registry(store).open_blob(
        Repository.parse("demo/thing"), Digest.parse(thing["digest"])
    ) as blob:
        assert blob.size_bytes == thing["size"]
    (kept,) = (line.rpartition(" ")[2] for line in report.lines if "manifest" in line)
    with Store.open(tmp_path / "other", create=True) as other:
        again = other.import_archive(saved(store, "demo/thing:1", kept))
        assert kept in again.lines[-1]
        for one in (thing, unnamed):
            assert content(other, one["digest"]) == layout.blobs[one["digest"]]
        digests = [
            store.inspect_manifest("demo/thing:1").summary.digest for store in (store, other)
        ]
        assert digests[0] == digests[1]


def test_content_of_an_unknown_type_must_be_in_the_archive_unless_it_is_not_chosen(
    store: Store,
) -> None:
    layout = Layout()
    layout.root(layout.image(gzip(A)), "docker.io/demo/app:1")
    layout.roots.append(layout.blob(b"gone", "text/plain"))
    del layout.blobs[layout.roots[-1]["digest"]]
    with pytest.raises(errors.MissingBlobs):
        load(store, layout)
    assert load(store, layout, images=("demo/app",)).changed


def _tags(store: Store) -> set[str]:
    return set(Registry(store).tags(Repository.parse("demo/app")))
