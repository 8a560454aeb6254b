"""Images pushed to docker-registry, and copied, have the same digests for crane and skopeo."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

import pytest

from store.model.digests import Digest
from storectl import cli
from tests.support.engine import require
from tests.support.images import A, B, layer
from tests.support.layouts import Layout, gzip, plain, zstd
from tests.support.peers.crane import PROGRAM as CRANE
from tests.support.peers.crane import Crane
from tests.support.peers.process import Programs
from tests.support.peers.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("pushes")]
C: Final = layer("c.txt", b"gamma\n")
PLATFORMS: Final = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    require("docker-registry", "skopeo", CRANE)
    return Programs(tmp_path_factory.mktemp("peers"))


@pytest.fixture(scope="module")
def near(programs: Programs) -> Iterator[Registry]:
    server = Registry(programs, programs.folder / "near")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def far(programs: Programs) -> Iterator[Registry]:
    server = Registry(programs, programs.folder / "far")
    yield server
    server.stop()


def subjects() -> Layout:
    """Return a layout with an image, an index with its referrers, an artifact and a chart."""
    layout = Layout()
    layout.root(layout.image(gzip(A), zstd(B), plain(C)), "docker.io/team/single:1")
    # crane takes every layer for one that is compressed with gzip.
    layout.root(layout.image(gzip(A), gzip(B)), "docker.io/team/gzip:1")
    images = [layout.image(gzip(A), B, platform=one) for one in PLATFORMS]
    index = layout.index(*images, *(layout.attestation(one) for one in images))
    layout.root(index, "docker.io/team/index:1")
    layout.root(layout.artifact(b"signature", subject=index))
    layout.root(layout.artifact(b"of one image", subject=images[0]))
    layout.root(
        layout.artifact(b"cosign"),
        f"docker.io/team/index:{index['digest'].replace(':', '-')}.sig",
    )
    layout.root(layout.artifact(b"data", b"more"), "docker.io/team/artifact:1")
    layout.root(
        layout.artifact(
            b"chart",
            artifact_type="application/vnd.cncf.helm.config.v1+json",
            blob_type="application/vnd.cncf.helm.chart.content.v1.tar+gzip",
        ),
        "docker.io/team/chart:1.2.3",
    )
    return layout


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pushed")
    archive = folder / "all.tar"
    archive.write_bytes(subjects().tar())
    assert cli.run(["--root", str(folder / "store"), "import", "-q", str(archive)]) == 0
    return folder / "store"


def run(root: Path, *arguments: str) -> None:
    assert cli.run(["--root", str(root), *arguments]) == os.EX_OK


@pytest.mark.parametrize("name", ["single:1", "index:1", "artifact:1", "chart:1.2.3"])
def test_digests_are_equal_after_a_push_and_a_copy(
    programs: Programs, near: Registry, far: Registry, root: Path, name: str
) -> None:
    layout = subjects()
    wanted = {
        one["annotations"]["io.containerd.image.name"]: one["digest"]
        for one in layout.roots
        if "annotations" in one and "io.containerd.image.name" in one["annotations"]
    }[f"docker.io/team/{name}"]
    crane = Crane(programs)

    run(root, "push", "-q", "--referrers", f"team/{name}", f"{near.host}/pushed/{name}")
    run(
        root,
        "copy",
        "-q",
        "--referrers",
        f"docker://{near.host}/pushed/{name}",
        f"docker://{far.host}/copied/{name}",
    )

    for place in (f"{near.host}/pushed/{name}", f"{far.host}/copied/{name}"):
        assert crane.run("digest", place).strip() == wanted
        raw = programs.run("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{place}")
        assert str(Digest.of(raw.encode())) == wanted


def test_crane_finds_every_layer_of_a_pushed_image(
    programs: Programs, near: Registry, root: Path
) -> None:
    run(root, "push", "-q", "team/gzip:1", f"{near.host}/validated/gzip:1")

    said = Crane(programs).run("validate", "--remote", f"{near.host}/validated/gzip:1")

    assert said.startswith("PASS")


def test_the_list_of_referrers_is_in_a_tag(near: Registry, far: Registry, root: Path) -> None:
    index = subjects().roots[2]["digest"]
    run(root, "push", "-q", "--referrers", "team/index:1", f"{near.host}/listed/index:1")
    run(
        root,
        "copy",
        "-q",
        "--referrers",
        f"docker://{near.host}/listed/index:1",
        f"docker://{far.host}/listed/index:1",
    )

    tags = near.tags("listed/index")
    assert index.replace(":", "-") in tags
    assert f"{index.replace(':', '-')}.sig" in tags
    assert far.tags("listed/index") == tags
    for tag in tags:
        assert far.manifest("listed/index", tag)[1] == near.manifest("listed/index", tag)[1]


def test_questions_have_the_answers_of_crane_and_skopeo(
    programs: Programs, near: Registry, root: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    place = f"{near.host}/asked/index"
    run(root, "push", "-q", "team/index:1", f"{place}:1")
    run(root, "copy", "-q", f"{place}:1", f"{place}:other")
    crane = Crane(programs)

    def answer(*arguments: str) -> bytes:
        capfdbinary.readouterr()
        run(root, *arguments)
        sys.stdout.flush()
        return capfdbinary.readouterr()[0]

    arm = ("--platform", "linux/arm64")
    assert answer("tags", place).decode().split() == crane.run("ls", place).split()
    assert answer("digest", *arm, f"{place}:1").decode() == crane.run("digest", *arm, f"{place}:1")
    source = f"docker://{place}:1"
    raw = programs.run("skopeo", "inspect", "--raw", "--tls-verify=false", source)
    assert answer("manifest", source) == raw.encode()
    config = crane.run("config", *arm, f"{place}:1")
    assert answer("manifest", "--config", *arm, source).decode() == config.rstrip("\n")
