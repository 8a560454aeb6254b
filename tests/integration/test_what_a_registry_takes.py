"""Odd images and artifacts that a registry takes go through an archive to another store."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import TYPE_CHECKING

import pytest

import exporter
from exporter import Format, SaveOptions
from store import Store
from store.catalog.checking import verification
from store.content.decoding import Decoding
from store.errors import DiffMismatch, InvalidDocument
from store.formats.image.media_types import DOCKER_MANIFEST
from store.maintenance.reports import Severity
from store.model.contents import DiffState
from store.model.digests import Digest
from store.model.limits import Limits
from store.registry.registry import Registry
from tests.conftest import NOW
from tests.support.images import A, B, config
from tests.support.layouts import CONFIG, INDEX, LAYER, MANIFEST, Layout, encode
from tests.support.registry_pushes import APP, push_blob

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from store.importing.report import ImportReport

PACKED = gzip.compress(A, mtime=0)
SOUND = (config(A), (PACKED,))
ARTIFACTS = {
    "opa-bundle": (b"{}", (PACKED,)),
    "artifact-with-a-platform": (config(), (b"art\n",)),
    "another-number-of-layers": (config(A, B), (PACKED,)),
    "no-diff-id": (b'{"rootfs":{"type":"layers","diff_ids":["x"]}}', (PACKED,)),
}
CONTRADICTIONS = {
    "another-layer": (config(B), (PACKED,)),
    "diff-id-of-the-blob": (config(PACKED), (PACKED,)),
    "no-tar": (config(b"art\n"), (b"art\n",)),
    "no-tar-in-gzip": (config(b"art\n"), (gzip.compress(b"art\n", mtime=0),)),
    "twice-compressed": (config(PACKED), (gzip.compress(PACKED, mtime=0),)),
    "cut": (config(A), (PACKED[:-9],)),
}


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "far", create=True, clock=lambda: NOW) as opened:
        yield opened


def manifest(data: bytes, layers: tuple[bytes, ...]) -> bytes:
    layout = Layout()
    return encode(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": layout.blob(data, CONFIG),
            "layers": [layout.blob(one, LAYER + "+gzip") for one in layers],
        }
    )


def push(store: Store, tag: str, data: bytes, layers: tuple[bytes, ...]) -> Digest:
    registry = Registry(store)
    for blob in (data, *layers):
        push_blob(registry, blob)
    return registry.put_manifest(
        APP, manifest(data, layers), media_type=MANIFEST, digest=None, tags=(tag,)
    ).digest


def carried(near: Store, far: Store, format_: str) -> ImportReport:
    out = io.BytesIO()
    with exporter.open_save(near, ["team/app"], options=SaveOptions(Format(format_))) as export:
        export.write(out)
    return far.import_archive(io.BytesIO(out.getvalue()))


def state(store: Store, digest: Digest) -> DiffState | None:
    """Return the state of a manifest; None if the manifest describes no image."""
    with store.read() as connection:
        found = verification.manifest_states(connection, (digest,)).get(digest)
    return None if found is None else found[1]


@pytest.mark.parametrize("format_", ["oci", "docker"])
@pytest.mark.parametrize("odd", ARTIFACTS)
def test_what_is_not_an_image_goes_through_an_archive_as_an_artifact(
    store: Store, far: Store, odd: str, format_: str
) -> None:
    sound = push(store, "sound", *SOUND)
    digest = push(store, "odd", *ARTIFACTS[odd])
    assert state(store, digest) is None
    report = carried(store, far, format_)
    assert any(str(digest) in note and "as an artifact" in note for note in report.notes)
    assert state(far, digest) is None
    assert state(far, sound) is DiffState.VERIFIED
    served = Registry(far).manifest(APP, "odd")
    assert (served.digest, served.data) == (digest, manifest(*ARTIFACTS[odd]))


@pytest.mark.parametrize("format_", ["oci", "docker"])
@pytest.mark.parametrize("odd", CONTRADICTIONS)
def test_an_image_whose_layers_contradict_its_config_stops_no_other_image(
    store: Store, far: Store, odd: str, format_: str
) -> None:
    sound = push(store, "sound", *SOUND)
    digest = push(store, "odd", *CONTRADICTIONS[odd])
    for _ in range(2):
        report = carried(store, far, format_)
        (note,) = (note for note in report.notes if "contradict" in note)
        assert f"team/app:odd ({digest}) contradict its config: layer 0" in note
        assert state(far, digest) is DiffState.MISMATCH
        assert state(far, sound) is DiffState.VERIFIED
    assert Registry(far).manifest(APP, "odd").data == manifest(*CONTRADICTIONS[odd])
    assert not report.changed
    with pytest.raises(DiffMismatch), exporter.open_save(far, ["team/app:odd"]):
        pass


def test_layers_that_only_the_store_has_are_verified_at_first_need(
    store: Store, far: Store
) -> None:
    for blob in SOUND[1]:
        push_blob(Registry(far), blob)
    digest = push(store, "sound", *SOUND)
    out = io.BytesIO()
    with exporter.open_save(store, ["team/app"], options=SaveOptions(Format.OCI)) as export:
        export.write(out)
    without_layers = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(out.getvalue())) as archive,
        tarfile.open(fileobj=without_layers, mode="w") as smaller,
    ):
        for member in archive:
            if Digest.of(PACKED).hex not in member.name:
                smaller.addfile(member, archive.extractfile(member))
    far.import_archive(io.BytesIO(without_layers.getvalue()))
    assert state(far, digest) is DiffState.UNVERIFIED
    with exporter.open_save(far, ["team/app:sound"]):
        assert state(far, digest) is DiffState.VERIFIED


@pytest.mark.parametrize("format_", ["oci", "docker"])
@pytest.mark.parametrize("odd", CONTRADICTIONS)
def test_the_side_that_took_a_push_names_the_image_while_it_can_be_mended(
    store: Store, odd: str, format_: str
) -> None:
    push(store, "sound", *SOUND)
    digest = push(store, "odd", *CONTRADICTIONS[odd])
    with exporter.open_save(store, ["team/app"], options=SaveOptions(Format(format_))) as export:
        (note,) = export.notes
    assert f"the layers of team/app:odd ({digest}) contradict its config: layer 0" in note
    assert state(store, digest) is DiffState.MISMATCH
    (finding,) = store.fsck()
    assert (finding.kind, finding.severity) == ("contradiction", Severity.WARNING)
    assert finding.images == ("docker.io/team/app:odd",)
    with pytest.raises(DiffMismatch), exporter.open_save(store, ["team/app:odd"]):
        pass


def test_a_check_names_an_image_that_was_never_verified(store: Store) -> None:
    digest = push(store, "odd", *CONTRADICTIONS["another-layer"])
    (finding,) = store.fsck()
    assert finding.subject == str(digest)
    # A check records nothing.
    assert state(store, digest) is DiffState.UNVERIFIED


def test_an_image_that_decodes_to_too_much_is_not_saved(tmp_path: Path) -> None:
    decoding = Decoding(Limits(layer_bytes=len(A) - 1))
    options = SaveOptions(Format.OCI)
    with Store.open(tmp_path / "small", create=True, decoding=decoding) as store:
        push(store, "odd", *SOUND)
        with (
            pytest.raises(DiffMismatch, match="team/app:odd"),
            exporter.open_save(store, ["team/app"], options=options),
        ):
            pass


@pytest.mark.parametrize("format_", ["oci", "docker"])
def test_an_index_that_lies_about_a_type_is_not_saved(store: Store, format_: str) -> None:
    digest = push(store, "sound", *SOUND)
    data = manifest(*SOUND)
    link = {"mediaType": DOCKER_MANIFEST, "digest": str(digest), "size": len(data)}
    index = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [link]})
    Registry(store).put_manifest(APP, index, media_type=INDEX, digest=None, tags=("index",))
    with (
        pytest.raises(InvalidDocument, match="is listed as"),
        exporter.open_save(store, ["team/app:index"], options=SaveOptions(Format(format_))),
    ):
        pass
