"""Clients with the files of `storectl mirror-config` pull through a mirror, and without upstream.

Then the mirror is offline, and the clients still get what was pulled through.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from store import Store
from store.model.digests import Digest
from tests.support import images
from tests.support.engine import Engine, require
from tests.support.mirror_process import Mirror
from tests.support.peers import docker
from tests.support.peers.containerd import Containerd
from tests.support.peers.crane import PROGRAM as CRANE
from tests.support.peers.mirror_config import configure
from tests.support.peers.podman import Podman
from tests.support.peers.process import Programs
from tests.support.peers.workshop import Workshop
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("clients")]

NAME = "docker.io/library/mirrored:1"
MANIFEST = "/v2/library/mirrored/manifests/1"
ACCEPT = {"Accept": "application/vnd.oci.image.manifest.v1+json"}


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with Workshop() as shop:
        yield shop.folder


def skopeo(folder: Path, host: Path) -> str:
    """Copy the image, and return its ID."""
    config = host / "etc/containers/registries.conf.d/storectl.conf"
    Programs(folder / "programs").run(
        *("skopeo", "--registries-conf", config, "--insecure-policy", "copy", "--quiet"),
        *(f"docker://{NAME}", f"dir:{folder / 'copied'}"),
    )
    manifest = json.loads((folder / "copied/manifest.json").read_bytes())
    digest: str = manifest["config"]["digest"]
    return digest


def podman(folder: Path, host: Path) -> str:
    """Pull the image into a new storage, and return its ID."""
    config = host / "etc/containers/registries.conf.d/storectl.conf"
    programs = Programs(folder / "programs", CONTAINERS_REGISTRIES_CONF=str(config))
    return f"sha256:{Podman(programs, folder / 'storage').run('pull', '--quiet', NAME).strip()}"


def containerd(folder: Path, host: Path) -> str:
    """Pull the image with a new containerd, and return the ID of the image."""
    daemon = Containerd(Programs(folder / "programs"), folder / "ctrd")
    try:
        hosts = host / "etc/containerd/certs.d"
        daemon.run("images", "pull", "--snapshotter", "native", "--hosts-dir", hosts, NAME)
        manifest = json.loads(daemon.run("content", "get", daemon.images()[NAME]))
    finally:
        daemon.stop()
    digest: str = manifest["config"]["digest"]
    return digest


def engine(folder: Path, host: Path) -> str:
    """Pull the image with a new Docker Engine, and return its ID."""
    config = host / "etc/docker/daemon.json"
    with Engine(folder / "engine", options=(f"--config-file={config}",)) as started:
        docker.pull(started, "mirrored:1", "pulled:1")
        found: str = started.inspect("pulled:1")["Id"]
        return found


@pytest.mark.parametrize(
    ("client", "pull", "programs"),
    [
        ("podman", skopeo, ("skopeo",)),
        ("podman", podman, ("podman",)),
        ("containerd", containerd, ("containerd", "ctr")),
        ("docker", engine, ("dockerd",)),
    ],
    ids=["skopeo", "podman", "containerd", "docker"],
)
def test_a_client_pulls_through_and_then_without_upstream(
    client: str, pull: Callable[[Path, Path], str], programs: tuple[str, ...], folder: Path
) -> None:
    require(*programs)
    work = folder / programs[0]
    work.mkdir()
    archive = work / "image.tar"
    archive.write_bytes(
        images.image(images.A, images.B, tags=(NAME,), config={"Cmd": ["/nothing"]}).bytes()
    )
    with Store.open(work / "far", create=True) as store:
        store.import_archive(archive)
        image = str(store.inspect(NAME).image_id)

    def pulled(mirror: Mirror, number: int) -> str:
        place = work / str(number)
        place.mkdir()
        url = f"http://{mirror.host}"
        # Only Docker Hub can be mirrored for this engine.
        options = () if client == "docker" else ("--upstream", "docker.io")
        return pull(place, configure(place / "host", client, url, *options))

    with ExitStack() as stack:
        far = stack.enter_context(Mirror(work / "far"))
        upstream = ("--upstream", f"docker.io=http://{far.host}")
        near = stack.enter_context(Mirror(work / "near", *upstream, "--upstream-max-age", "0"))
        assert pulled(near, 1) == image
        until(lambda: _is_stored(work / "near"))
        far.stop()
        assert pulled(near, 2) == image
        status, headers, body = near.request("GET", MANIFEST, headers=ACCEPT)
        assert (status, headers["Docker-Content-Digest"]) == (200, str(Digest.of(body)))
        assert headers["Warning"].startswith('299 - "last checked ')
    with Mirror(work / "near", *upstream, "--offline") as offline:
        assert pulled(offline, 3) == image


@pytest.mark.parametrize("client", ["skopeo", "crane"])
def test_a_push_also_sends_the_blobs_that_upstream_has(client: str, folder: Path) -> None:
    require("skopeo", CRANE if client == "crane" else client)
    work = folder / f"push-{client}"
    work.mkdir()
    programs = Programs(work / "programs")
    archive = work / "image.tar"
    archive.write_bytes(images.image(images.A, images.B, tags=(NAME,)).bytes())
    with Store.open(work / "far", create=True) as store:
        store.import_archive(archive)
    copy = ("skopeo", "--insecure-policy", "copy", "--quiet")
    layout, path = f"oci:{work / 'layout'}:1", "library/mirrored"
    with Mirror(work / "far") as far:
        source = f"docker://{far.host}/{path}:1"
        programs.run(*copy, "--src-tls-verify=false", source, layout)
        with Mirror(work / "near", "--upstream", f"docker.io=http://{far.host}") as near:
            target = f"{near.host}/{path}:mine"
            if client == "skopeo":
                programs.run(*copy, "--dest-tls-verify=false", layout, f"docker://{target}")
            else:
                programs.run(CRANE, "--insecure", "push", work / "layout", target)
            far.stop()
            pulled = f"dir:{work / 'pulled'}"
            programs.run(*copy, "--src-tls-verify=false", f"docker://{target}", pulled)
    with Store.open(work / "near") as store:
        assert [str(one) for one in store.names("", 9)] == [f"docker.io/{path}:mine"]
        assert list(store.fsck()) == []


def _is_stored(root: Path) -> bool:
    with Store.open(root) as store:
        return [str(one) for one in store.names("", 9)] == [NAME]
