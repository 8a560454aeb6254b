"""Archives that Docker 29 wrote (tests/golden/docker-29)."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

import exporter
from exporter import Format, SaveOptions
from store import Choice, ImportOptions, Platform, Store
from store.formats.image.layout_names import SUBJECT
from tests.support.imported_layouts import content

GOLDEN = Path(__file__).parent.parent / "golden" / "docker-29"
NAME = "127.0.0.1:5929/spec/spec-29-signed:1"
INDEX, IMAGE, ATTESTATION, BUNDLE = (
    "sha256:7b3506ce87511133ba4c69bb293d25bda9a022018cae296bf3d6eebfa2fc4425",
    "sha256:3f52aafb9ddce9e237564a8486b8b759f47a950a800cc45c204f8dd84d7edb42",
    "sha256:4dbe35ffaaa84219b681f99c0ffb92af626de8d7ecb4a66776997287a215947d",
    "sha256:af83bf57d238d67691b26291f54072488f4056e22b37cf1f77d78b29c71ce128",
)


def blobs(name: str) -> dict[str, bytes]:
    """Return the blobs of an archive, by digest."""
    found = {}
    with tarfile.open(GOLDEN / name) as archive:
        for member in archive.getmembers():
            if member.isfile() and member.name.startswith("blobs/"):
                file = archive.extractfile(member)
                assert file is not None
                found[member.name.removeprefix("blobs/").replace("/", ":")] = file.read()
    return found


def referrers(store: Store, digest: str) -> list[str]:
    return [str(found) for found in store.inspect_manifest(digest).referrers]


@pytest.mark.parametrize("name", sorted(path.name for path in GOLDEN.glob("*.tar")))
def test_an_archive_is_imported_with_all_of_its_digests(store: Store, name: str) -> None:
    store.import_archive(GOLDEN / name)
    assert list(store.fsck()) == []
    for digest, data in blobs(name).items():
        assert content(store, digest) == data


def test_a_referrer_of_an_attestation_comes_along_and_goes_on(store: Store, tmp_path: Path) -> None:
    report = store.import_archive(GOLDEN / "signed.tar")
    assert report.lines[0] == f"Loaded image: {NAME}"
    assert report.lines[-1] == f"Loaded manifest: {BUNDLE}"
    assert referrers(store, ATTESTATION) == [BUNDLE]
    # The attestation has a subject, and the annotations of older versions of BuildKit.
    assert referrers(store, IMAGE) == [ATTESTATION, BUNDLE]
    out = io.BytesIO()
    options = SaveOptions(format=Format.OCI, referrers=True, sparse=True)
    with exporter.open_save(store, [NAME], options=options) as export:
        export.write(out)
    # Docker 29 finds the bundle by this annotation alone.
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as archive:
        file = archive.extractfile("index.json")
        assert file is not None
        listed = json.load(file)["manifests"]
    subjects = {one["digest"]: one.get("annotations", {}).get(SUBJECT) for one in listed}
    assert subjects == {INDEX: None, BUNDLE: ATTESTATION}
    with Store.open(tmp_path / "other", create=True) as other:
        other.import_archive(io.BytesIO(out.getvalue()))
        assert referrers(other, ATTESTATION) == [BUNDLE]
        again = io.BytesIO()
        with exporter.open_save(other, [NAME], options=options) as export:
            export.write(again)
        assert again.getvalue() == out.getvalue()
        for digest, data in blobs("signed.tar").items():
            assert content(other, digest) == data


def test_an_archive_of_one_platform_lists_the_referrers_beside_the_image(store: Store) -> None:
    report = store.import_archive(GOLDEN / "signed-by-platform.tar")
    assert [tag.reference.familiar for tag in report.tags] == [NAME]
    assert [str(tag.manifest) for tag in report.tags] == [IMAGE]
    assert (referrers(store, IMAGE), referrers(store, ATTESTATION)) == (
        [ATTESTATION, BUNDLE],
        [BUNDLE],
    )


@pytest.mark.parametrize("platform", ["linux/amd64"])
def test_the_referrers_of_a_chosen_platform_are_chosen(store: Store, platform: str) -> None:
    choice = Choice(images=("127.0.0.1:5929/**",), platforms=(Platform.parse(platform),))
    store.import_archive(GOLDEN / "signed.tar", ImportOptions(choice=choice))
    assert referrers(store, ATTESTATION) == [BUNDLE]


def test_docker_29_says_which_referrer_belongs_to_which_manifest() -> None:
    with tarfile.open(GOLDEN / "signed.tar") as archive:
        file = archive.extractfile("index.json")
        assert file is not None
        named, referrer = json.load(file)["manifests"]
    assert named["digest"] == INDEX
    assert referrer["annotations"] == {SUBJECT: ATTESTATION}
