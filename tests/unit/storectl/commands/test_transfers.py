"""The work of `push` and `copy`: which image is meant, and where it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from storectl.output.exit_codes import ExitCode
from tests.support.command_line import Runner
from tests.support.images import A, image

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def storectl(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Runner:
    runner = Runner(tmp_path / "store", capfdbinary)
    archive = tmp_path / "app.tar"
    archive.write_bytes(image(A, tags=("demo/app:1",)).bytes())
    runner("import", str(archive))
    return runner


def test_an_image_of_the_store_goes_to_every_local_place(storectl: Runner, tmp_path: Path) -> None:
    for place in (
        "oci:{}/a:x",
        "oci-archive:{}/b.tar:x",
        "dir:{}/c",
        "docker-archive:{}/d.tar:x:1",
    ):
        storectl("copy", "-q", "store:demo/app:1", place.format(tmp_path))
        storectl("push", "-q", "demo/app:1", place.format(tmp_path))


def test_a_repository_without_latest_needs_a_tag(storectl: Runner, tmp_path: Path) -> None:
    code = storectl.attempt("push", "demo/app", f"oci:{tmp_path}/a:x")
    assert code == ExitCode.NOT_FOUND
    assert "demo/app:latest" in storectl.err
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    "names",
    [
        ("registry-tree:/srv", "oci:a:x"),
        ("store:demo/app:1", "registry-tree:/srv"),
        ("store:demo/app:1", "tarball:/x"),
    ],
    ids=["source", "destination", "unknown"],
)
def test_transports_that_cannot_be_used_are_invalid_input(
    storectl: Runner, names: tuple[str, str]
) -> None:
    assert storectl.attempt("copy", *names) == ExitCode.INVALID_INPUT


def test_a_missing_archive_is_one_line(storectl: Runner, tmp_path: Path) -> None:
    code = storectl.attempt("copy", f"oci-archive:{tmp_path}/none.tar", f"oci:{tmp_path}/a:x")
    assert code == ExitCode.INVALID_INPUT
    assert "none.tar" in storectl.err
    assert "Traceback" not in storectl.err
