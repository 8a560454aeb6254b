"""Images are pushed into Docker 20.10 and 28 with the layers that these lack, and copied out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.command_line import Runner
from tests.support.engine import Engine, require
from tests.support.images import A, B, layer
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("engine-transport")]
C = layer("c.txt", b"gamma\n")


@pytest.fixture(scope="module", params=[("dockerd", "20.10."), ("dockerd-28", "28.")])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    name, version = request.param
    require(name, "containerd")
    with Engine(tmp_path_factory.mktemp("engine"), name=name, version=version) as running:
        yield running


def test_an_engine_is_sent_the_layers_that_it_lacks(
    engine: Engine,
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{engine.socket}")
    layout = Layout()
    small, arm = layout.image(gzip(A), B), layout.image(C, platform="linux/arm64")
    layout.root(layout.index(small, arm), "docker.io/team/app:1")
    layout.root(layout.image(gzip(A), B, gzip(C)), "docker.io/team/app:2")
    archive = tmp_path / "app.tar"
    archive.write_bytes(layout.tar())
    storectl = Runner(tmp_path / "store", capfdbinary)
    storectl("import", str(archive))

    first = storectl.json("push", "team/app:1", "docker-daemon:mine/app:1")
    second = storectl.json("push", "team/app:2", "docker-daemon:mine/app:2")

    assert len(first["Blobs"]["Sent"]) == 2
    assert (len(second["Blobs"]["Held"]), len(second["Blobs"]["Sent"])) == (2, 1)
    (wanted,) = storectl.json("inspect", "team/app:2")
    assert engine.inspect("mine/app:2")["Id"] == wanted["Id"]
    storectl("copy", "docker-daemon:mine/app:2", f"docker-archive:{tmp_path}/out.tar:back:1")
    storectl("import", f"{tmp_path}/out.tar")
    (back,) = storectl.json("inspect", "back:1")
    assert back["Id"] == wanted["Id"]
    engine.clear()
