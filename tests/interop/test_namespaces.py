"""One mirror for all registries: containerd names the registry of an image with ``ns``.

Images of the same name in other registries are not confused.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import images
from tests.support.engine import require
from tests.support.mirror_process import Mirror
from tests.support.peers.containerd import Containerd
from tests.support.peers.mirror_config import configure
from tests.support.peers.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("clients")]

UPSTREAMS = {"docker.io": images.A, "quay.io": images.B, "registry.example.com:5000": images.E}
"""The layer of the image ``team/app:1`` in each registry, by the registry's name."""


@pytest.fixture(scope="module")
def workshop() -> Iterator[Workshop]:
    with Workshop() as shop:
        yield shop


@pytest.fixture(scope="module")
def mirror(workshop: Workshop) -> Iterator[Mirror]:
    folder = workshop.folder / "ns"
    folder.mkdir()
    with Mirror(folder / "store") as running:
        for number, (domain, layer) in enumerate(UPSTREAMS.items()):
            archive = folder / f"{number}.tar"
            archive.write_bytes(images.image(layer, tags=(f"{domain}/team/app:1",)).bytes())
            subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "storectl",
                    "--root",
                    str(running.root),
                    "import",
                    "-q",
                    str(archive),
                ],
                check=True,
                timeout=300,
            )
        yield running
        assert running.stop() == 0


def requests(mirror: Mirror) -> list[dict[str, Any]]:
    return [
        line
        for line in map(json.loads, mirror.log.read_text().splitlines())
        if line["logger"] == "mirror.access"
    ]


def hosts(folder: Path, mirror: Mirror) -> Path:
    """Write `storectl mirror-config`'s files for all registries into a folder for containerd."""
    options = [option for domain in UPSTREAMS for option in ("--upstream", domain)]
    configure(folder, "containerd", f"http://{mirror.host}", *options)
    return folder / "etc/containerd/certs.d"


def test_the_answer_depends_on_the_named_registry(mirror: Mirror) -> None:
    configs = set()
    for domain in UPSTREAMS:
        status, headers, body = mirror.request("GET", f"/v2/team/app/manifests/1?ns={domain}")
        assert status == 200
        assert headers["OCI-Namespace"] == domain
        configs.add(json.loads(body)["config"]["digest"])
        assert mirror.request("GET", f"/v2/{domain}/team/app/manifests/1")[2] == body
    assert len(configs) == len(UPSTREAMS)
    assert mirror.request("GET", "/v2/team/app/manifests/1?ns=ghcr.io")[0] == 404
    assert "OCI-Namespace" not in mirror.request("GET", "/v2/team/app/manifests/1")[1]


def test_containerd_gets_from_one_mirror_what_each_registry_has(
    mirror: Mirror, workshop: Workshop
) -> None:
    require("containerd", "ctr")
    folder = hosts(workshop.folder / "hosts", mirror)
    daemon = Containerd(workshop.programs, workshop.folder / "ctrd")
    try:
        for domain in UPSTREAMS:
            seen = len(requests(mirror))
            name = f"{domain}/team/app:1"
            daemon.run("images", "pull", "--snapshotter", "native", "--hosts-dir", folder, name)
            wanted = mirror.request("GET", f"/v2/{domain}/team/app/manifests/1")[1][
                "Docker-Content-Digest"
            ]
            assert daemon.images()[name] == wanted
            made = [
                line for line in requests(mirror)[seen:] if line["agent"].startswith("containerd")
            ]
            # containerd asks for the manifest, the config and the layer by a name without a
            # registry: only `ns` tells the registries apart.
            assert {line["ns"] for line in made} == {domain}
            assert {line["path"].rpartition("/")[0] for line in made} == {
                "/v2/team/app/manifests",
                "/v2/team/app/blobs",
            }
            assert {line["status"] for line in made} == {200}
        assert len(set(daemon.images().values())) == len(UPSTREAMS)
    finally:
        daemon.stop()
