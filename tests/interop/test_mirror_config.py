"""Clients with the files of `storectl mirror-config` pull other registries' names from the mirror.

The clients have no other way to get the images. Each client parses its own file.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from store import Store
from tests.support import images
from tests.support.engine import Engine, program, require
from tests.support.peers import docker
from tests.support.peers.buildah import Buildah
from tests.support.peers.containerd import Containerd
from tests.support.peers.crane import PROGRAM as CRANE
from tests.support.peers.mirror_config import configure, program_with
from tests.support.peers.mirror_endpoint import PASSWORD, USER, Endpoint
from tests.support.peers.podman import Podman
from tests.support.peers.process import Programs
from tests.support.peers.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("clients")]

NAME = "docker.io/library/mirrored:1"
WITH_PORT = "registry.invalid:5000/team/mirrored:1"
ALIAS = "registry.invalid_5000/team/mirrored:1"
UPSTREAMS = ("--upstream", "docker.io", "--upstream", "registry.invalid:5000")


@pytest.fixture(scope="module")
def workshop() -> Iterator[Workshop]:
    with Workshop() as shop:
        yield shop


@pytest.fixture(scope="module", params=["HTTP", "TLS"])
def endpoint(workshop: Workshop, request: pytest.FixtureRequest) -> Iterator[Endpoint]:
    """A mirror without users, or one that gives nothing to anonymous clients."""
    is_tls = request.param == "TLS"
    with Endpoint(workshop.folder / request.param, tls=is_tls) as opened:
        opened.import_archive(
            images.image(
                images.A, images.B, tags=(NAME, WITH_PORT), config={"Cmd": ["/nothing"]}
            ).bytes()
        )
        yield opened


def image_id(endpoint: Endpoint) -> str:
    found = endpoint.manifest("library/mirrored", "1")
    assert found is not None
    digest: str = json.loads(found.data)["config"]["digest"]
    return digest


def configured(client: str, endpoint: Endpoint, *options: str) -> Path:
    """Write the files of a client, with its certificates and login if the mirror needs them."""
    scheme = "https" if endpoint.tls else "http"
    login = ("--ca", str(endpoint.authority), "--user", USER, "--password-stdin")
    return configure(
        endpoint.fresh("host"),
        client,
        f"{scheme}://{endpoint.host}",
        *(login if endpoint.tls else ()),
        *options,
        stdin=f"{PASSWORD}\n",
    )


# --- docker ---------------------------------------------------------------------------------------


# Docker sends a mirror the login of Docker Hub, so the mirror with users would refuse it.
@pytest.mark.parametrize("endpoint", ["HTTP"], indirect=True)
def test_docker_asks_the_mirror_first(endpoint: Endpoint, workshop: Workshop) -> None:
    require("dockerd")
    config = configured("docker", endpoint) / "etc/docker/daemon.json"
    with Engine(workshop.folder / "mirrored", options=(f"--config-file={config}",)) as engine:
        docker.pull(engine, "mirrored:1", "pulled:1")
        assert engine.inspect("pulled:1")["Id"] == image_id(endpoint)
        # A path cannot contain the name of a registry with a port, but its alias.
        docker.pull(engine, f"{endpoint.host}/{ALIAS}", "pulled:2")
        assert engine.inspect("pulled:2")["Id"] == image_id(endpoint)


@pytest.mark.parametrize("version", ["20.10", "28.5"])
def test_docker_accepts_its_configuration(version: str, endpoint: Endpoint) -> None:
    require("dockerd-28")
    config = configured("docker", endpoint, "--client-version", version) / "etc/docker/daemon.json"
    endpoint.programs.run(program("dockerd-28"), "--validate", f"--config-file={config}")


@pytest.mark.parametrize("sealed", [(), ("--sealed",)])
def test_docker_28_asks_the_mirror_for_every_registry(
    sealed: tuple[str, ...], endpoint: Endpoint, workshop: Workshop
) -> None:
    require("dockerd-28", "containerd", "unshare")
    host = configured("docker", endpoint, "--client-version", "28", *UPSTREAMS, *sealed)
    started = program_with(
        host / "etc/docker", "/etc/docker", program("dockerd-28"), endpoint.fresh("bin").parent
    )
    with Engine(
        workshop.folder / f"28-{endpoint.tls}-{bool(sealed)}",
        name=started,
        version="28.",
        drivers=("overlayfs", "native"),
        options=(f"--config-file={host}/etc/docker/daemon.json",),
    ) as engine:
        for number, name in enumerate((NAME, WITH_PORT)):
            docker.pull(engine, name, f"pulled:{number}")
        assert engine.inspect("pulled:0")["Id"] == engine.inspect("pulled:1")["Id"]


# --- containerd -----------------------------------------------------------------------------------


@pytest.mark.parametrize("sealed", [(), ("--sealed",)])
def test_containerd_asks_the_mirror_and_names_the_registry(
    sealed: tuple[str, ...], endpoint: Endpoint
) -> None:
    require("containerd", "ctr")
    host = configured("containerd", endpoint, *UPSTREAMS, *sealed)
    folder = host / "etc/containerd/certs.d"
    # Without the variables of the endpoint, the certificates come from the files alone.
    programs = Programs(endpoint.fresh("programs"))
    daemon = Containerd(programs, endpoint.fresh("ctrd"))
    try:
        found = endpoint.manifest("library/mirrored", "1")
        assert found is not None
        for name in (NAME, WITH_PORT):
            daemon.run("images", "pull", "--snapshotter", "native", "--hosts-dir", folder, name)
            assert daemon.images()[name] == str(found.digest)
    finally:
        daemon.stop()


def test_containerd_accepts_its_configuration(endpoint: Endpoint) -> None:
    require("containerd")
    host = configured("containerd", endpoint, "--client-version", "1.6")
    dumped = endpoint.programs.run(
        program("containerd"),
        "--config",
        host / "etc/containerd/conf.d/storectl.toml",
        "config",
        "dump",
    )
    assert 'config_path = "/etc/containerd/certs.d"' in dumped


# --- podman, buildah, skopeo ----------------------------------------------------------------------


@pytest.mark.parametrize("sealed", [(), ("--sealed",)])
@pytest.mark.parametrize("client", ["podman", "buildah", "skopeo"])
def test_podman_buildah_and_skopeo_ask_the_mirror(
    client: str, sealed: tuple[str, ...], endpoint: Endpoint
) -> None:
    require(client)
    host = configured("podman", endpoint, *UPSTREAMS, *sealed)
    config = host / "etc/containers/registries.conf.d/storectl.conf"
    own = {"CONTAINERS_REGISTRIES_CONF": str(config)}
    certificates: list[str] = []
    if endpoint.tls:
        own["REGISTRY_AUTH_FILE"] = f"{host}/root/.config/containers/auth.json"
        certificates = ["--cert-dir", f"{host}/etc/containers/certs.d/{endpoint.host}"]
    programs = Programs(endpoint.fresh("programs"), **own)
    for name in (NAME, WITH_PORT):
        if client == "skopeo":
            target = endpoint.fresh("copied")
            options = [f"--src{certificates[0][1:]}", certificates[1]] if certificates else []
            programs.run(
                "skopeo",
                "--registries-conf",
                config,
                "--insecure-policy",
                "copy",
                "--quiet",
                *options,
                f"docker://{name}",
                f"dir:{target}",
            )
            manifest = json.loads((target / "manifest.json").read_bytes())
            assert manifest["config"]["digest"] == image_id(endpoint)
        else:
            storage = endpoint.fresh("storage")
            peer = Podman(programs, storage) if client == "podman" else Buildah(programs, storage)
            pulled = peer.run("pull", "--quiet", *certificates, name)
            assert f"sha256:{pulled.strip()}" == image_id(endpoint)


# --- the alias of a registry with a port ----------------------------------------------------------


def test_crane_pushes_lists_and_pulls_by_the_alias(endpoint: Endpoint, workshop: Workshop) -> None:
    require(CRANE)

    def crane(*words: str | Path) -> str:
        return endpoint.programs.run(CRANE, *([] if endpoint.tls else ["--insecure"]), *words)

    part = workshop.subjects["image"].parts[0]
    name = f"{endpoint.host}/registry.invalid_5000/pushed/app"
    crane("push", workshop.layout(part), f"{name}:1")
    assert crane("digest", f"{name}:1").strip() == part.root
    assert crane("ls", name).split() == ["1"]
    # What the catalog lists, clients can write.
    listed = crane("catalog", endpoint.host).split()
    assert "registry.invalid_5000/pushed/app" in listed
    for repository in listed:
        assert crane("ls", f"{endpoint.host}/{repository}")
    with Store.open(endpoint.mirror.root) as store:
        assert "registry.invalid:5000/pushed/app:1" in [
            str(one) for one in store.names("registry.invalid:5000/pushed", 10)
        ]
