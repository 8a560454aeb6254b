"""What was pulled passes on: through an archive, another store and another registry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import uvloop

from mirror.service import MirrorSettings
from remote.pulling.options import PullOptions
from store import Store
from store.model.references import Reference
from storectl import cli
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip, zstd
from tests.support.mirror_in_process import InProcessMirror
from tests.support.mirror_process import Mirror
from tests.support.pulls import Pulls, Upstream
from tests.support.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.mirror_in_process import Answer

EVERYTHING = PullOptions(all_platforms=True, has_referrers=True)
PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x")
INDEX = "application/vnd.oci.image.index.v1+json"
ACCEPT = f"{INDEX}, application/vnd.oci.image.manifest.v1+json"


def manifest(mirror: InProcessMirror, repository: str, reference: str) -> Answer:
    return mirror("GET", f"/v2/{repository}/manifests/{reference}", Accept=ACCEPT)


def referrers(mirror: InProcessMirror, repository: str, digest: str) -> set[str]:
    answer = mirror("GET", f"/v2/{repository}/referrers/{digest}")
    return {one["digest"] for one in json.loads(answer.body)["manifests"]}


def test_index_attestations_signatures_and_referrers_cross_two_gaps(tmp_path: Path) -> None:
    layout = Layout()
    images = [layout.image(gzip(A), zstd(B), platform=one) for one in PLATFORMS]
    index = layout.index(*images, *(layout.attestation(one) for one in images))
    sbom = layout.artifact(b"sbom", subject=images[0])
    signature = layout.artifact(b"signature of the sbom", subject=sbom)
    notation = layout.artifact(b"signature", subject=index)
    cosign = layout.artifact(b"simple signing")
    tag = f"{index['digest'].replace(':', '-')}.sig"
    layout.root(index, "docker.io/team/app:1")
    for one in (sbom, signature, notation):
        layout.root(one)
    layout.root(cosign, f"docker.io/team/app:{tag}")
    archive, near, far = (tmp_path / name for name in ("all.tar", "near", "far"))
    with Upstream(tmp_path) as upstream:
        upstream.serve(layout)
        name = Reference.parse("docker.io/team/app:1")
        with Store.open(near, create=True) as store, Pulls(store) as pulls:
            # As a mirror in registries.conf, which keeps the name.
            pulls.mirrors = [upstream.name("team/app:1")]
            pulls.pull(name, EVERYTHING)
    words = ["save", "-q", "--format", "oci", "--referrers", "-o", str(archive), str(name)]
    assert cli.run(["--root", str(near), *words, f"{name.repository}:{tag}"]) == 0
    assert cli.run(["--root", str(far), "import", "-q", str(archive)]) == 0
    last = tmp_path / "last"
    with (
        Store.open(far) as store,
        InProcessMirror(store, MirrorSettings(), uvloop.new_event_loop) as mirror,
        Store.open(last, create=True) as pulled,
        Pulls(pulled) as pulls,
    ):
        pulls.mirrors = [Reference.parse(f"127.0.0.1:{mirror.port}/team/app:1")]
        assert str(pulls.pull(name, EVERYTHING).digest) == index["digest"]
        assert list(pulled.fsck()) == []
        repository = "team/app"
        with InProcessMirror(pulled, MirrorSettings(), uvloop.new_event_loop) as other:
            for one in (index, *images, sbom, signature, notation, cosign):
                answer = manifest(other, repository, one["digest"])
                assert answer.body == layout.blobs[one["digest"]]
            assert manifest(other, repository, tag).body == layout.blobs[cosign["digest"]]
            assert referrers(other, repository, index["digest"]) == {notation["digest"]}
            assert referrers(other, repository, images[0]["digest"]) == {sbom["digest"]}
            assert referrers(other, repository, sbom["digest"]) == {signature["digest"]}


@pytest.mark.parametrize("all_platforms", [False, True])
def test_what_was_pulled_is_served(tmp_path: Path, *, all_platforms: bool) -> None:
    layout = Layout()
    amd64, arm64 = layout.image(gzip(A)), layout.image(gzip(B), platform="linux/arm64")
    index = layout.index(amd64, arm64)
    layout.root(index, "docker.io/team/app:1")
    with Upstream(tmp_path) as upstream:
        upstream.serve(layout)
        name = upstream.name("team/app:1")
        with Store.open(tmp_path / "near", create=True) as store, Pulls(store) as pulls:
            pulls.pull(name, PullOptions(all_platforms=all_platforms))
            with InProcessMirror(store, MirrorSettings(), uvloop.new_event_loop) as mirror:
                repository = str(name.repository)
                assert manifest(mirror, repository, "1").body == layout.blobs[index["digest"]]
                assert manifest(mirror, repository, amd64["digest"]).status == 200
                status = manifest(mirror, repository, arm64["digest"]).status
                assert status == (200 if all_platforms else 404)


def test_a_running_server_verifies_what_another_process_pulls(tmp_path: Path) -> None:
    layout, root = Layout(), tmp_path / "store"
    layout.root(layout.image(gzip(A), zstd(B)), "docker.io/team/app:1")
    first = "import mirror.jobs.newcomers as n, datetime; n.INTERVAL = datetime.timedelta(0, 0.2)"
    with Upstream(tmp_path) as upstream, Mirror(root, "--workers", "2", first=first) as mirror:
        upstream.serve(layout)
        words = ["pull", "-q", "--plain-http", str(upstream.name("team/app:1"))]
        assert cli.run(["--root", str(root), *words]) == 0
        until(lambda: "state=verified" in mirror.log.read_text())
        with Store.open(root) as store:
            assert store.unverified_images(limit=1) == []
