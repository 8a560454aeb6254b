"""The drill of a client that pulls through a mirror: first with upstream, then without it.

The client has only the files of `storectl mirror-config`, and starts with an empty storage each
time.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

from store import Store
from store.model.digests import Digest
from tests.support.engine import Engine, program
from tests.support.images import A, B, E
from tests.support.layouts import INDEX, Layout, gzip
from tests.support.mirror_process import Mirror
from tests.support.peers import docker
from tests.support.peers.containerd import Containerd
from tests.support.peers.mirror_config import configure, program_with
from tests.support.peers.podman import Podman
from tests.support.peers.process import Programs
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

NAME: Final = "docker.io/library/mirrored:1"
MANIFESTS: Final = "/v2/library/mirrored/manifests"
ACCEPT: Final = {"Accept": INDEX}
CONTAINERD_STORE: Final = "--feature=containerd-snapshotter=true"
GRAPH_DRIVERS: Final = "--feature=containerd-snapshotter=false"
MIRRORED: Final = ("--upstream", "docker.io")


@final
@dataclass(frozen=True)
class Client:
    """A client, and how it pulls.

    Attributes:
        title: The name of the client in the results of the tests.
        config: The arguments of ``mirror-config``.
        programs: The programs that the client needs.
        reads_all_metadata: Whether the client reads the manifests of other platforms, too.
        pull: Pulls `NAME` in a new folder, with the files of ``mirror-config`` below another
            folder. It returns a digest by which the client knows the image.
    """

    title: str
    config: tuple[str, ...]
    programs: tuple[str, ...]
    pull: Callable[[Path, Path], str]
    reads_all_metadata: bool = False


def without_network(trace: Path) -> tuple[str, ...]:
    """Return a command that runs a program whose connections all fail, and are recorded."""
    inject = ("-e", "trace=connect", "-e", "inject=connect:error=ENETUNREACH")
    return ("strace", "-D", "-f", "-qq", *inject, "-o", str(trace))


def connections(trace: Path) -> list[str]:
    """Return the connections over a network that a program under `without_network` has tried."""
    return [line for line in trace.read_text().splitlines() if "AF_INET" in line]


def drill(client: Client, work: Path) -> None:
    """Pull three times: with upstream, without it, and from a server that is offline."""
    work.mkdir()
    known = _serve(work / "far")

    def pulled(mirror: Mirror, number: int) -> str:
        place = work / str(number)
        place.mkdir()
        name, *options = client.config
        host = configure(place / "host", name, f"http://{mirror.host}", *options)
        return client.pull(place, host)

    with ExitStack() as stack:
        far = stack.enter_context(Mirror(work / "far"))
        upstream = ("--upstream", f"docker.io=http://{far.host}")
        near = stack.enter_context(Mirror(work / "near", *upstream, "--upstream-max-age", "0"))
        assert pulled(near, 1) in known.values()
        until(lambda: _is_stored(work / "near"))
        far.stop()
        assert pulled(near, 2) in known.values()
        status, headers, body = near.request("GET", f"{MANIFESTS}/1", headers=ACCEPT)
        assert (status, str(Digest.of(body))) == (200, known["index"])
        assert headers["Warning"].startswith('299 - "last checked ')
    trace = work / "trace"
    with Mirror(work / "near", *upstream, "--offline", under=without_network(trace)) as offline:
        assert pulled(offline, 3) in known.values()
        if not client.reads_all_metadata:
            _require_near(offline, known)
    assert connections(trace) == []


def _serve(root: Path) -> Mapping[str, str]:
    """Fill a store with an image for two platforms; return the digests of its parts."""
    layout = Layout()
    image = layout.image(gzip(A), gzip(B), config={"config": {"Cmd": ["/nothing"]}})
    other = layout.image(gzip(A), gzip(E), platform="linux/s390x")
    index = layout.index(image, other, layout.attestation(image))
    layout.root(index, NAME)
    archive = root.with_suffix(".tar")
    archive.write_bytes(layout.tar())
    with Store.open(root, create=True) as store:
        store.import_archive(archive)
    config: str = json.loads(layout.blobs[image["digest"]])["config"]["digest"]
    return {"index": index["digest"], "image": image["digest"], "config": config}


def _is_stored(root: Path) -> bool:
    with Store.open(root) as store:
        return [str(one) for one in store.names("", 9)] == [NAME]


def _require_near(offline: Mirror, known: Mapping[str, str]) -> None:
    """Require that a miss is answered with what the store has instead."""
    _, _, body = offline.request("GET", f"{MANIFESTS}/1", headers=ACCEPT)
    listed: list[dict[str, Any]] = json.loads(body)["manifests"]
    (other,) = (one["digest"] for one in listed if one["platform"]["architecture"] == "s390x")
    assert other not in known.values()
    for target, near in (
        ("2", "it has library/mirrored:1"),
        (other, "it has the image of this index for linux/amd64"),
    ):
        status, _, body = offline.request("GET", f"{MANIFESTS}/{target}", headers=ACCEPT)
        message = json.loads(body)["errors"][0]["message"]
        assert (status, message.rpartition("; ")[2]) == (404, near)


# --- clients --------------------------------------------------------------------------------------


def _skopeo(folder: Path, host: Path) -> str:
    config = host / "etc/containers/registries.conf.d/storectl.conf"
    Programs(folder / "programs").run(
        *("skopeo", "--registries-conf", config, "--insecure-policy", "copy", "--quiet"),
        *(f"docker://{NAME}", f"dir:{folder / 'copied'}"),
    )
    return str(Digest.of((folder / "copied/manifest.json").read_bytes()))


def _podman(folder: Path, host: Path) -> str:
    config = host / "etc/containers/registries.conf.d/storectl.conf"
    programs = Programs(folder / "programs", CONTAINERS_REGISTRIES_CONF=str(config))
    return f"sha256:{Podman(programs, folder / 'storage').run('pull', '--quiet', NAME).strip()}"


def _containerd(suffix: str, *options: str) -> Callable[[Path, Path], str]:
    def pull(folder: Path, host: Path) -> str:
        daemon = Containerd(Programs(folder / "programs"), folder / "ctrd", suffix=suffix)
        try:
            hosts = host / "etc/containerd/certs.d"
            pull = ("images", "pull", "--snapshotter", "native", *options)
            daemon.run(*pull, "--hosts-dir", hosts, NAME)
            return daemon.images()[NAME]
        finally:
            daemon.stop()

    return pull


def _docker(
    name: str, version: str, *options: str, drivers: tuple[str, str]
) -> Callable[[Path, Path], str]:
    def pull(folder: Path, host: Path) -> str:
        files = host / "etc/docker"
        config = files / "daemon.json"
        started = program_with(files, "/etc/docker", program(name), folder)
        with Engine(
            folder / "engine",
            name=started,
            version=version,
            drivers=drivers,
            options=(*([f"--config-file={config}"] if config.exists() else []), *options),
        ) as engine:
            docker.pull(engine, "mirrored:1", "pulled:1")
            found: str = engine.inspect("pulled:1")["Id"]
            return found

    return pull


GRAPH: Final = ("overlay2", "vfs")
SNAPSHOTS: Final = ("overlayfs", "native")

PULL_THROUGH: Final = (
    Client("skopeo", ("podman", *MIRRORED), ("skopeo",), _skopeo),
    Client("podman", ("podman", *MIRRORED), ("podman",), _podman),
    Client("containerd", ("containerd", *MIRRORED), ("containerd", "ctr"), _containerd("")),
    Client(
        "docker, registry-mirrors",
        ("docker",),
        ("dockerd", "unshare"),
        _docker("dockerd", "20.10.", drivers=GRAPH),
    ),
    Client(
        "docker 28, registry-mirrors",
        ("docker",),
        ("dockerd-28", "containerd", "unshare"),
        _docker("dockerd-28", "28.", drivers=GRAPH),
    ),
    Client(
        "docker 28 with the containerd store, hosts.toml",
        ("docker", *MIRRORED, "--client-version", "28"),
        ("dockerd-28", "containerd", "unshare"),
        _docker("dockerd-28", "28.", drivers=SNAPSHOTS),
    ),
)
"""The clients that `.ci/run` installs or builds."""

NEWER_PULL_THROUGH: Final = (
    Client(
        "containerd 2, hosts.toml",
        ("containerd", *MIRRORED, "--client-version", "2.2"),
        ("containerd-2", "ctr-2"),
        # Kubernetes pulls without the metadata of other platforms, too.
        _containerd("-2", "--skip-metadata"),
    ),
    Client(
        "containerd 2 with the metadata of all platforms, hosts.toml",
        ("containerd", *MIRRORED, "--client-version", "2.2"),
        ("containerd-2", "ctr-2"),
        _containerd("-2"),
        reads_all_metadata=True,
    ),
    Client(
        "docker 28 with the containerd store, registry-mirrors",
        ("docker",),
        ("dockerd-28", "containerd", "unshare"),
        _docker("dockerd-28", "28.", CONTAINERD_STORE, drivers=SNAPSHOTS),
    ),
    Client(
        "docker 29 with the containerd store, hosts.toml",
        ("docker", *MIRRORED, "--client-version", "29.1"),
        ("dockerd-29", "containerd", "unshare"),
        _docker("dockerd-29", "29", CONTAINERD_STORE, drivers=SNAPSHOTS),
    ),
    Client(
        "docker 29 with the containerd store, registry-mirrors",
        ("docker",),
        ("dockerd-29", "containerd", "unshare"),
        _docker("dockerd-29", "29", CONTAINERD_STORE, drivers=SNAPSHOTS),
    ),
    Client(
        "docker 29 with overlay2, registry-mirrors",
        ("docker",),
        ("dockerd-29", "containerd", "unshare"),
        _docker("dockerd-29", "29", GRAPH_DRIVERS, drivers=GRAPH),
    ),
)
"""The clients that `make peers` builds and `.ci/run` does not."""
