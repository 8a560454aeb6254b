"""The official conformance program passes with every API and data type, and skips no test."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support import conformance
from tests.support.layouts import MANIFEST, digest, encode
from tests.support.mirror_process import Mirror

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("conformance")]

DISABLED = {"1.1": 2, "dev": 0}
"""Disabled tests by specification version: 1.1 lacks tag parameters with sha256 and with sha512."""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return conformance.build(tmp_path_factory.mktemp("conformance"))


@pytest.mark.parametrize("version", ["1.1", "dev"])
def test_every_api_and_data_type_passes(version: str, program: Path, tmp_path: Path) -> None:
    with Mirror(tmp_path / "store", "--accept-missing-blobs") as mirror:
        result = conformance.run(
            program, tmp_path / "results", mirror.host, version=version, data_sparse="true"
        )
        assert mirror.stop() == 0
    assert result.not_passed == []
    assert result.counts["Pass"] > 800
    assert result.counts["Pass"] + DISABLED[version] == result.counts["Total"], result.counts


@pytest.mark.parametrize("version", ["1.1", "dev"])
def test_the_program_passes_without_options(version: str, program: Path, tmp_path: Path) -> None:
    with Mirror(tmp_path / "store") as mirror:
        result = conformance.run(program, tmp_path / "results", mirror.host, version=version)
    assert result.not_passed == []
    assert result.counts["Pass"] > 800


@pytest.mark.parametrize(
    ("options", "refused"),
    [((), 7), (("--require-children",), 13)],
    ids=["the image", "the image and the index"],
)
def test_sparse_manifests_are_refused_by_default(
    options: tuple[str, ...], refused: int, program: Path, tmp_path: Path
) -> None:
    """Sparse images lack layers, and sparse indexes lack images (docs/adr/0008)."""
    with Mirror(tmp_path / "store", *options) as mirror:
        result = conformance.run(
            program, tmp_path / "results", mirror.host, version="dev", data_sparse="true"
        )
    assert all(
        name == "OCI Conformance Test: FAIL" or name.startswith("OCI Conformance Test/sparse")
        for name in result.not_passed
    )
    assert result.counts["FAIL"] == refused
    assert result.counts["Skip"] == 0


def test_reads_from_a_read_only_mirror_pass(program: Path, tmp_path: Path) -> None:
    root = tmp_path / "store"
    with Mirror(root) as mirror:
        blob = _push_blob(mirror, b"a layer")
        config = _push_blob(mirror, b"{}")
        empty = {"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2}
        layer = {"mediaType": "text/plain", "digest": blob, "size": 7}
        image = encode(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "artifactType": "text/plain",
                "config": empty,
                "layers": [layer],
            }
        )
        subject = _push_manifest(mirror, "v1", image)
        about = {"mediaType": MANIFEST, "digest": subject, "size": len(image)}
        _push_manifest(mirror, "about", encode({**json.loads(image), "subject": about}))
    with Mirror(root, "--read-only") as mirror:
        assert (
            mirror.request("HEAD", "/v2/conformance/repo1/manifests/v1")[1]["Docker-Content-Digest"]
            == subject
        )
        assert (
            mirror.request(
                "PUT", "/v2/conformance/repo1/manifests/v2", image, {"Content-Type": MANIFEST}
            )[0]
            == 405
        )
        result = conformance.run(
            program,
            tmp_path / "results",
            mirror.host,
            version="dev",
            api_push="false",
            api_tags_delete="false",
            api_manifests_delete="false",
            api_blobs_delete="false",
            # The program looks for this header only in answers to requests for content that it has
            # pushed, and it pushes nothing in this mode.
            api_manifests_digest_header="false",
            ro_data_tags="v1 about",
            ro_data_manifests=subject,
            ro_data_blobs=f"{blob} {config}",
            ro_data_referrers=subject,
        )
    assert result.not_passed == []
    assert result.counts["Pass"] >= 15


def _push_blob(mirror: Mirror, data: bytes) -> str:
    name = digest(data)
    status, _, body = mirror.request(
        "POST", f"/v2/conformance/repo1/blobs/uploads/?digest={name}", data
    )
    assert status == 201, body
    return name


def _push_manifest(mirror: Mirror, tag: str, data: bytes) -> str:
    status, headers, body = mirror.request(
        "PUT", f"/v2/conformance/repo1/manifests/{tag}", data, {"Content-Type": MANIFEST}
    )
    assert status == 201, body
    return str(headers["Docker-Content-Digest"])
