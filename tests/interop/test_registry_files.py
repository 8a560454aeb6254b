"""The files of real registries are imported, also after their garbage collection."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any, Final

import pytest

from storectl import cli
from storectl.output.exit_codes import ExitCode
from tests.support.engine import SEARCH_PATH, program, require
from tests.support.images import A, B, layer
from tests.support.layouts import Layout, gzip, plain, zstd
from tests.support.peers.process import Programs, Server, free_port, listens

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("registry-files")]
C: Final = layer("c.txt", b"gamma\n")
CONFIG: Final = """version: 0.1
log: {{level: error}}
storage:
  filesystem: {{rootdirectory: {folder}/data}}
  delete: {{enabled: true}}
  maintenance: {{uploadpurging: {{enabled: false}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


def subjects() -> tuple[Layout, str]:
    """Return images of all kinds, and the cosign tag of the index."""
    layout = Layout()
    layout.root(layout.image(gzip(A), zstd(B), plain(C)), "docker.io/team/single:1")
    images = [
        layout.image(gzip(one), platform=f"linux/{name}")
        for one, name in ((B, "amd64"), (C, "arm64"))
    ]
    index = layout.index(*images, layout.attestation(images[0]))
    layout.root(index, "docker.io/team/index:1")
    layout.root(layout.artifact(b"signature", subject=index))
    tag = f"{index['digest'].replace(':', '-')}.sig"
    layout.root(layout.artifact(b"cosign"), f"docker.io/team/index:{tag}")
    return layout, tag


def run(root: Path, *arguments: str) -> int:
    return cli.run(["--root", str(root), *arguments])


@pytest.fixture(params=["docker-registry", "registry-3"])
def pushed(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Programs, str, Path]:
    """Push all subjects to a registry; return its program and its configuration."""
    name = request.param
    if name == "registry-3" and shutil.which(name, path=SEARCH_PATH) is None:
        pytest.skip("needs registry-3: scripts/build_peers.sh registry-3")
    require(name)
    programs = Programs(tmp_path / "programs", OTEL_TRACES_EXPORTER="none")
    port = free_port()
    config = tmp_path / "config.yml"
    config.write_text(CONFIG.format(folder=tmp_path, port=port))
    archive = tmp_path / "all.tar"
    archive.write_bytes(subjects()[0].tar())
    server = Server(
        [program(name), "serve", str(config)], tmp_path / "log", programs.environment
    ).await_start(lambda: listens(port))
    try:
        assert run(tmp_path / "own", "import", "-q", str(archive)) == 0
        for image in ("single:1", "index:1"):
            place = f"127.0.0.1:{port}/team/{image}"
            assert run(tmp_path / "own", "push", "-q", "--referrers", f"team/{image}", place) == 0
    finally:
        server.stop()
    return programs, program(name), config


def imported(folder: Path, capfd: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    capfd.readouterr()
    code = run(folder / "store", "import", "--json", f"registry-tree:{folder}/data")
    return code, json.loads(capfd.readouterr().out)[0]


@pytest.mark.usefixtures("pushed")
def test_everything_that_was_pushed_is_imported(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, found = imported(tmp_path, capfd)
    layout, tag = subjects()
    assert (code, found["Findings"]) == (0, [])
    tags = {one["Name"]: one["Digest"] for one in found["Tags"]}
    wanted = {
        one["annotations"]["io.containerd.image.name"].removeprefix("docker.io/"): one["digest"]
        for one in layout.roots
        if "io.containerd.image.name" in one.get("annotations", {})
    }
    assert wanted.items() <= tags.items()
    assert f"team/index:{tag}" in tags
    # All content is here: an import of the first archive has nothing new.
    assert run(tmp_path / "store", "import", "--json", str(tmp_path / "all.tar")) == 0
    again = json.loads(capfd.readouterr().out)[0]
    assert (again["NewImages"], again["NewLayers"], again["NewBytes"]) == (0, 0, 0)


@pytest.mark.parametrize("options", [(), ("--delete-untagged",)], ids=["plain", "delete untagged"])
def test_what_a_collection_broke_is_reported(
    pushed: tuple[Programs, str, Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    options: tuple[str, ...],
) -> None:
    programs, registry, config = pushed
    programs.run(registry, "garbage-collect", *options, str(config))
    code, found = imported(tmp_path, capfd)
    names = {one["Name"] for one in found["Tags"]}
    assert "team/single:1" in names
    losses = [one for one in found["Findings"] if one["IsLoss"]]
    # distribution 3 keeps the images of indexes with a tag.
    if options and registry.endswith("docker-registry"):
        assert code == ExitCode.CORRUPT
        assert "team/index:1" not in names
        assert {tag for one in losses for tag in one["Tags"]} >= {"1"}
    else:
        assert (code, losses) == (0, [])
        assert "team/index:1" in names
