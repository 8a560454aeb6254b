"""`load-into ctr` with Debian's containerd: unpacked, and without the content that is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.command_line import Runner
from tests.support.engine import require
from tests.support.images import A, B, layer
from tests.support.layouts import Layout, gzip, zstd
from tests.support.peers.containerd import Containerd
from tests.support.peers.process import Programs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("load-into-ctr")]
C = layer("c.txt", b"gamma\n")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Containerd]:
    require("containerd", "ctr")
    running = Containerd(Programs(tmp_path / "programs"), tmp_path / "containerd")
    yield running
    running.stop()


def test_containerd_is_sent_the_content_that_it_lacks(
    engine: Containerd,
    tmp_path: Path,
    capfdbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CONTAINERD_SNAPSHOTTER", "native")
    layout = Layout()
    small = layout.image(gzip(A), B)
    other = layout.image(C, platform="linux/arm64")
    index = layout.root(layout.index(small, other), "docker.io/team/app:1")
    large = layout.root(layout.image(gzip(A), B, zstd(C)), "docker.io/team/app:2")
    (tmp_path / "app.tar").write_bytes(layout.tar())
    storectl = Runner(tmp_path / "store", capfdbinary)
    storectl("import", str(tmp_path / "app.tar"))
    _, _, address, _, namespace = engine.command
    there = ("load-into", "--address", address, "--namespace", namespace, "ctr")

    first = storectl.json(*there, "team/app:1")
    again = storectl.json(*there, "team/app:1")
    second = storectl.json(*there, "team/app:2")

    assert len(first["Blobs"]["Sent"]) == 3
    assert (again["Blobs"]["Sent"], again["MovedTags"]) == ([], [])
    assert (len(second["Blobs"]["Held"]), len(second["Blobs"]["Sent"])) == (2, 2)
    assert engine.images() == {
        "docker.io/team/app:1": index["digest"],
        "docker.io/team/app:2": large["digest"],
    }
    assert engine.run("images", "check", "-q").split() == sorted(engine.images())
    # The image was unpacked: its files can be mounted.
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    engine.run("images", "mount", "--snapshotter", "native", "docker.io/team/app:2", mounted)
    try:
        assert (mounted / "c.txt").read_bytes() == b"gamma\n"
    finally:
        engine.run("images", "unmount", mounted)
