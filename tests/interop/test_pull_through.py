"""Clients with the files of `storectl mirror-config` pull through a mirror, and without upstream.

Then the mirror is offline, and the clients still get what was pulled through.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store import Store
from tests.support import images
from tests.support.engine import require
from tests.support.mirror_process import Mirror
from tests.support.peers.crane import PROGRAM as CRANE
from tests.support.peers.process import Programs
from tests.support.peers.pull_through import (
    ACCEPT,
    MANIFESTS,
    NAME,
    PULL_THROUGH,
    connections,
    drill,
    without_network,
)
from tests.support.peers.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.peers.pull_through import Client

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("clients")]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with Workshop() as shop:
        yield shop.folder


@pytest.mark.parametrize("client", PULL_THROUGH, ids=lambda one: one.title)
def test_a_client_pulls_through_and_then_without_upstream(client: Client, folder: Path) -> None:
    require(*client.programs, "strace")
    drill(client, folder / str(PULL_THROUGH.index(client)))


@pytest.mark.parametrize("options", [(), ("--offline",)], ids=["online", "offline"])
def test_only_a_server_that_is_offline_asks_nobody(options: tuple[str, ...], folder: Path) -> None:
    require("strace")
    work = folder / "-".join(("asks", *options))
    work.mkdir()
    trace, upstream = work / "trace", ("--upstream", "docker.io=http://127.0.0.1:9")
    with Mirror(work / "near", *upstream, *options, under=without_network(trace)) as mirror:
        status, _, _ = mirror.request("GET", f"{MANIFESTS}/1", headers=ACCEPT)
    assert (status, connections(trace) == []) == ((404, True) if options else (503, False))


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
