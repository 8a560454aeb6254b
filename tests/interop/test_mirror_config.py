"""Clients with the output of `storectl mirror-config` pull Docker Hub's names from the mirror.

The clients have no other way to get the images.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support import images
from tests.support.engine import Engine, require
from tests.support.peers.buildah import Buildah
from tests.support.peers.containerd import Containerd
from tests.support.peers.mirror_endpoint import Endpoint
from tests.support.peers.podman import Podman
from tests.support.peers.process import Programs
from tests.support.peers.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("clients")]

NAME = "docker.io/library/mirrored:1"


@pytest.fixture(scope="module")
def workshop() -> Iterator[Workshop]:
    with Workshop() as shop:
        yield shop


@pytest.fixture(scope="module")
def endpoint(workshop: Workshop) -> Iterator[Endpoint]:
    with Endpoint(workshop.folder / "h", tls=False) as opened:
        opened.import_archive(
            images.image(images.A, images.B, tags=(NAME,), config={"Cmd": ["/nothing"]}).bytes()
        )
        yield opened


def image_id(endpoint: Endpoint) -> str:
    found = endpoint.manifest("library/mirrored", "1")
    assert found is not None
    digest: str = json.loads(found.data)["config"]["digest"]
    return digest


def printed(client: str, endpoint: Endpoint) -> str:
    command = [sys.executable, "-m", "storectl", "mirror-config", client, f"http://{endpoint.host}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout


def files(text: str, folder: Path) -> list[Path]:
    """Write each printed file below ``folder`` instead of ``/``."""
    written: list[Path] = []
    for path, content in re.findall(r"^# (/\S+?)(?:,.*)?\n((?:(?!# /).*\n?)*)", text, re.MULTILINE):
        written.append(folder / path.removeprefix("/"))
        written[-1].parent.mkdir(parents=True, exist_ok=True)
        written[-1].write_text(content)
    return written


def test_docker_asks_the_mirror_first(endpoint: Endpoint, workshop: Workshop) -> None:
    require("dockerd")
    (config,) = files(printed("docker", endpoint), endpoint.fresh("etc"))
    with Engine(workshop.folder / "mirrored", options=(f"--config-file={config}",)) as engine:
        status, said = engine.request("POST", "/images/create?fromImage=mirrored&tag=1")
        assert status == 200
        assert b'"error"' not in said, said
        assert engine.inspect("mirrored:1")["Id"] == image_id(endpoint)


def test_containerd_asks_the_mirror_first_and_names_the_registry(
    endpoint: Endpoint, workshop: Workshop
) -> None:
    require("containerd", "ctr")
    written = files(printed("containerd", endpoint), endpoint.fresh("etc"))
    hosts = next(path for path in written if path.name == "hosts.toml")
    daemon = Containerd(workshop.programs, workshop.folder / "ctrd")
    try:
        daemon.run(
            "images", "pull", "--snapshotter", "native", "--hosts-dir", hosts.parent.parent, NAME
        )
        found = endpoint.manifest("library/mirrored", "1")
        assert found is not None
        assert daemon.images()[NAME] == str(found.digest)
    finally:
        daemon.stop()


@pytest.mark.parametrize("client", ["podman", "buildah", "skopeo"])
def test_podman_buildah_and_skopeo_ask_the_mirror_first(client: str, endpoint: Endpoint) -> None:
    require(client)
    (config,) = files(printed("podman", endpoint), endpoint.fresh("etc"))
    programs = Programs(endpoint.fresh("programs"), CONTAINERS_REGISTRIES_CONF=str(config))
    if client == "skopeo":
        target = endpoint.fresh("copied")
        programs.run(
            "skopeo",
            "--registries-conf",
            config,
            "--insecure-policy",
            "copy",
            "--quiet",
            f"docker://{NAME}",
            f"dir:{target}",
        )
        assert json.loads((target / "manifest.json").read_bytes())["config"]["digest"] == image_id(
            endpoint
        )
    else:
        storage = endpoint.fresh("storage")
        pull = (
            Podman(programs, storage).run if client == "podman" else Buildah(programs, storage).run
        )
        assert f"sha256:{pull('pull', '--quiet', NAME).strip()}" == image_id(endpoint)
