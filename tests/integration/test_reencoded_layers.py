"""Saves that encode layers again because the stored encoding is not the wanted encoding."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from exporter import Format, Layers
from store import Store, errors
from tests.support.images import A, B, config
from tests.support.layouts import (
    CONFIG,
    INDEX,
    LAYER,
    MANIFEST,
    Layout,
    digest,
    foreign,
    gzip,
    zstd,
)

if TYPE_CHECKING:
    from pathlib import Path
from tests.support.saved_layouts import BOTH, DECODED, Sample, blobs, import_into, listed, save


@pytest.fixture
def sample(store: Store) -> Sample:
    made = Sample()
    import_into(store, made.layout)
    return made


TYPES = {Layers.GZIP: f"{LAYER}+gzip", Layers.ZSTD: f"{LAYER}+zstd", Layers.PLAIN: LAYER}


@BOTH
@pytest.mark.parametrize("how", list(Layers))
def test_layers_are_encoded_again_and_image_ids_stay(
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
        import_into(other, archive)
        assert {one.image_id for one in other.images()} == {one.image_id for one in store.images()}
    assert save(store, "team/app:1", format=format_, layers=how) == archive
    assert not list((tmp_path / "store" / "staging").iterdir())


def test_layers_in_the_wanted_encoding_stay(store: Store, sample: Sample) -> None:
    archive = save(store, sample.arm64["digest"], format=Format.OCI, layers=Layers.GZIP)
    assert archive == save(store, sample.arm64["digest"], format=Format.OCI)


def test_a_save_warns_that_signatures_do_not_fit_reencoded_images(
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
        # Docker's push gives a plain layer the media type of a gzip layer.
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
    import_into(store, layout)
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
    import_into(store, layout)
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
def test_a_manifest_that_python_cannot_rewrite_is_refused(store: Store, odd: str) -> None:
    more, error = ODD_MANIFESTS[odd]
    layout = Layout()
    text = layout.blobs.pop(layout.image(gzip(A))["digest"])[:-1] + more
    root = layout.root(layout.blob(text, MANIFEST), "docker.io/library/odd:1")
    import_into(store, layout)
    assert list(store.fsck()) == []
    assert blobs(save(store, "odd:1", format=Format.OCI))[root["digest"]] == text
    if error is None:
        again = save(store, "odd:1", format=Format.OCI, layers=Layers.ZSTD)
        assert json.loads(blobs(again)[listed(again)[0]["digest"]])["annotations"]["a"] == "\ufffd"
    else:
        with pytest.raises(error) as caught:
            save(store, "odd:1", format=Format.OCI, layers=Layers.ZSTD)
        assert root["digest"] in caught.value.message


def test_documents_without_lists_are_reencoded(store: Store) -> None:
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
    import_into(store, layout)
    assert len(listed(save(store, "bare:0", "bare:1", format=Format.OCI, layers=Layers.ZSTD))) == 2


def test_a_legacy_archive_has_plain_layers_only(store: Store, sample: Sample) -> None:
    with pytest.raises(errors.InvalidInput):
        save(store, sample.amd64["digest"], layers=Layers.GZIP)


@pytest.mark.usefixtures("sample")
def test_layers_are_not_reencoded_by_default(store: Store) -> None:
    for format_ in (Format.OCI, Format.DOCKER):
        notes: list[str] = []
        found = blobs(save(store, "team/app:1", format=format_, notes=notes))
        assert found[digest(gzip(A).data)] == gzip(A).data
        assert found[digest(zstd(B).data)] == zstd(B).data
        assert any("zstd" in note for note in notes) is (format_ is Format.DOCKER)


def test_damage_is_found_while_streaming(store: Store, sample: Sample, root: Path) -> None:
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
