"""`history`, `inspect`, `images` and `save` choose the same image of an index."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from storectl.output.exit_codes import ExitCode
from tests.support.command_line import Runner
from tests.support.images import A, B
from tests.support.layouts import Layout

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def run(root: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Runner:
    layout = Layout()
    arm = layout.image(A, platform="linux/arm64")
    s390x = layout.image(A + B, platform="linux/s390x")
    layout.root(layout.index(arm, s390x, layout.attestation(arm)), "docker.io/team/app:1")
    archive = tmp_path / "in.tar"
    archive.write_bytes(layout.tar())
    runner = Runner(root, capfdbinary)
    runner("import", "-q", str(archive))
    return runner


@pytest.mark.parametrize(
    ("options", "architecture", "size"),
    [
        ((), "arm64", len(A)),
        (("--platform", "linux/arm64"), "arm64", len(A)),
        (("--platform", "linux/s390x"), "s390x", len(A + B)),
    ],
)
def test_every_command_shows_the_image_of_the_platform(
    run: Runner, tmp_path: Path, options: tuple[str, ...], architecture: str, size: int
) -> None:
    inspected = json.loads(run("inspect", *options, "team/app:1"))[0]
    listed = run.json("images", *options)
    saved = tmp_path / "out.tar"
    run("save", "-q", "--format", "legacy", "-o", str(saved), *options, "team/app:1")
    run("history", *options, "team/app:1")
    with tarfile.open(saved) as tar:
        member = tar.extractfile("manifest.json")
        assert member is not None
        manifest = json.load(member)
    assert inspected["Architecture"] == architecture
    assert manifest[0]["Config"] == f"{inspected['Id'][7:]}.json"
    assert [(one["Id"], one["RepoTags"], one["Size"]) for one in listed] == [
        (inspected["Id"], ["team/app:1"], size)
    ]


def test_every_command_refuses_a_platform_without_an_image(run: Runner, tmp_path: Path) -> None:
    save = ("save", "-o", str(tmp_path / "out.tar"))
    for command in (("history",), ("inspect",), save):
        run(*command, "--platform", "linux/386", "team/app:1", code=ExitCode.INVALID_INPUT)
        assert "with --platform" in run.err
    assert run("images", "-q", "--platform", "linux/386") == ""
