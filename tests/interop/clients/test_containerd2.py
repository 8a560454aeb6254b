"""containerd 2 reads the files of `mirror-config`, of its own version."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from exporter import SaveOptions, open_save
from exporter.options import Format
from store import Store
from tests.support.engine import program, require
from tests.support.images import A
from tests.support.layouts import Layout, gzip
from tests.support.peers.containerd import Containerd
from tests.support.peers.mirror_config import configure
from tests.support.peers.mirror_endpoint import PASSWORD, USER
from tests.support.peers.process import Programs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.peers.client_matrix import Clients
    from tests.support.peers.mirror_endpoint import Endpoint

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("newer-clients")]


@pytest.fixture(autouse=True)
def installed() -> None:
    require("containerd-2", "ctr-2")


def configured(endpoint: Endpoint, *options: str) -> Path:
    scheme = "https" if endpoint.tls else "http"
    login = ("--ca", str(endpoint.authority), "--user", USER, "--password-stdin")
    return configure(
        endpoint.fresh("host"),
        "containerd",
        f"{scheme}://{endpoint.host}",
        *(login if endpoint.tls else ()),
        *options,
        stdin=f"{PASSWORD}\n",
    )


@pytest.mark.parametrize("version", ["1.6", "2.0", "2.2"])
@pytest.mark.parametrize("sealed", [(), ("--sealed",)])
def test_containerd_asks_the_mirror_and_names_the_registry(
    version: str, sealed: tuple[str, ...], clients: Clients, endpoint: Endpoint
) -> None:
    folder = configured(endpoint, "--client-version", version, *sealed) / "etc/containerd/certs.d"
    # Without the variables of the endpoint, the certificates come from the files alone.
    programs = Programs(endpoint.fresh("programs"))
    daemon = Containerd(programs, endpoint.fresh("ctrd"), suffix="-2")
    (index,) = clients.parts("index")
    try:
        for way in ((), ("--local",)):
            daemon.clear()
            name = f"docker.io/{index.name}"
            daemon.run(
                "images", "pull", "--snapshotter", "native", *way, "--hosts-dir", folder, name
            )
            assert daemon.images()[name] == index.root
    finally:
        daemon.stop()


@pytest.mark.parametrize("version", ["1.6", "2.0"])
def test_containerd_accepts_its_configuration(version: str, endpoint: Endpoint) -> None:
    host = configured(endpoint, "--client-version", version)
    dumped = endpoint.programs.run(
        program("containerd-2"),
        "--config",
        host / "etc/containerd/conf.d/storectl.toml",
        "config",
        "dump",
    )
    assert "config_path = '/etc/containerd/certs.d'" in dumped


def test_requests_for_the_mirror_name_the_registry(clients: Clients, endpoint: Endpoint) -> None:
    folder = configured(endpoint, "--client-version", "2.2") / "etc/containerd/certs.d"
    (index,) = clients.parts("index")
    seen = len(endpoint.mirror.log.read_text().splitlines())
    endpoint.containerd_2.clear()
    endpoint.containerd_2.run(
        "images",
        "pull",
        "--snapshotter",
        "native",
        "--hosts-dir",
        folder,
        f"docker.io/{index.name}",
    )
    lines = map(json.loads, endpoint.mirror.log.read_text().splitlines()[seen:])
    assert not [line for line in lines if line["level"] not in ("info", "warning")]


def test_containerd_keeps_referrers_if_it_keeps_the_index(endpoint: Endpoint) -> None:
    """ctr gives the importer no way to look referrers up; it keeps what the kept index lists."""
    layout = Layout()
    image = layout.root(layout.image(gzip(A)), "docker.io/kept/containerd:1")
    referrer = layout.root(layout.artifact(b"signed", subject=image))
    endpoint.import_archive(layout.tar())
    saved = endpoint.fresh("saved.tar")
    with (
        Store.open(endpoint.mirror.root) as store,
        open_save(
            store, ["kept/containerd:1"], options=SaveOptions(Format.OCI, referrers=True)
        ) as export,
        saved.open("wb") as file,
    ):
        export.write(file)
    daemon = endpoint.containerd_2
    for options, kept in ((("--local",), False), (("--local", "--index-name", "all:1"), True)):
        daemon.clear()
        daemon.import_archive(saved, *options)
        assert ("all:1" in daemon.images()) is kept
        assert "docker.io/kept/containerd:1" in daemon.images()
        # Removing an image with --sync waits for the garbage collection.
        daemon.run("images", "tag", "docker.io/kept/containerd:1", "away:1")
        daemon.run("images", "rm", "--sync", "away:1")
        assert (referrer["digest"] in daemon.run("content", "ls", "-q")) is kept
        if kept:
            labels = daemon.run("content", "ls")
            assert "containerd.io/gc.ref.content.referrer.sha256." in labels
