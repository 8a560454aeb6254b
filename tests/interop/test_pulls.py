"""Images that skopeo pushed to docker-registry, and that storectl pulls: the bytes are the same."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from store import Store
from store.model.digests import Digest
from storectl import cli
from tests.support.engine import require
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip, zstd
from tests.support.peers.process import Programs
from tests.support.peers.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("pulls")]
PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    require("docker-registry", "skopeo")
    return Programs(tmp_path_factory.mktemp("peers"))


@pytest.fixture(scope="module")
def registry(programs: Programs) -> Iterator[Registry]:
    server = Registry(programs, programs.folder / "registry")
    yield server
    server.stop()


def run(root: Path, *arguments: str) -> None:
    assert cli.run(["--root", str(root), *arguments]) == os.EX_OK


def test_an_index_and_a_single_image_have_the_same_bytes(
    programs: Programs, registry: Registry, tmp_path: Path
) -> None:
    layout = Layout()
    images = [layout.image(gzip(A), zstd(B), platform=one) for one in PLATFORMS]
    index = layout.index(*images, *(layout.attestation(one) for one in images))
    layout.root(index, "docker.io/team/app:1")
    folder = layout.folder(tmp_path / "layout")
    name = f"{registry.host}/team/app:1"
    programs.run(
        *("skopeo", "copy", "-q", "--all", "--dest-tls-verify=false"),
        *(f"oci:{folder}:1", f"docker://{name}"),
    )
    pushed = dict(registry.everything("team/app", "1"))
    root = tmp_path / "store"
    digests = tmp_path / "digests"
    run(root, "pull", "-q", "--all-platforms", "--digest-file", str(digests), name)
    raw = programs.run("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}")
    assert digests.read_text() == f"{Digest.of(raw.encode())}\n" == f"{index['digest']}\n"
    with Store.open(root) as store:
        assert list(store.fsck()) == []
    # The layers leave the store as they came.
    run(root, "save", "-q", "--format", "oci", "-o", str(tmp_path / "saved.tar"), name)
    again = tmp_path / "again"
    saved = f"oci-archive:{tmp_path / 'saved.tar'}"
    programs.run("skopeo", "copy", "-q", "--all", saved, f"oci:{again}:1")
    blobs = {f"sha256:{one.name}": one.read_bytes() for one in (again / "blobs/sha256").iterdir()}
    assert blobs == pushed
