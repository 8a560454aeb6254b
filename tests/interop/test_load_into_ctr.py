"""`load-into ctr` with Debian's containerd, and with containerd 2 where it was built.

The image is unpacked, and content that is there is not sent.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.command_line import Runner
from tests.support.engine import SEARCH_PATH, require
from tests.support.images import A, B, layer
from tests.support.layouts import Layout, gzip, zstd
from tests.support.peers.containerd import Containerd
from tests.support.peers.process import Programs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("load-into-ctr")]
C = layer("c.txt", b"gamma\n")


_IS_BUILT = shutil.which("containerd-2", path=SEARCH_PATH) is not None


@pytest.fixture(
    params=[
        "",
        pytest.param(
            "-2",
            marks=pytest.mark.skipif(
                not _IS_BUILT, reason="containerd-2 is not built (make peers)"
            ),
        ),
    ]
)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Containerd]:
    suffix: str = request.param
    require(f"containerd{suffix}", f"ctr{suffix}")
    programs = Programs(tmp_path / "programs")
    running = Containerd(programs, tmp_path / "containerd", suffix=suffix)
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
    ctr, _, address, _, namespace = engine.command
    monkeypatch.setenv("STORECTL_CTR", ctr)
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
    ready = engine.run("images", "check", "--snapshotter", "native", "-q")
    assert ready.split() == sorted(engine.images())
    if engine.version().startswith("2"):
        # It keeps the mounts of its client until it is stopped.
        return
    # The image was unpacked: its files can be mounted.
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    engine.run("images", "mount", "--snapshotter", "native", "docker.io/team/app:2", mounted)
    try:
        assert (mounted / "c.txt").read_bytes() == b"gamma\n"
    finally:
        engine.run("images", "unmount", mounted)
