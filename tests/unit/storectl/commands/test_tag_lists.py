"""The lists of tags and names of other places than registries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from storectl.output.exit_codes import ExitCode
from tests.support.command_line import Runner
from tests.support.far_stores import fake_ssh
from tests.support.images import A, B, image
from tests.support.layouts import Layout, gzip
from tests.support.registry_trees import RegistryFiles

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def storectl(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> Runner:
    monkeypatch.chdir(tmp_path)
    return Runner(tmp_path / "store", capfdbinary)


def test_the_tags_of_repositories(
    storectl: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout()
    one = layout.root(layout.image(gzip(A)), "docker.io/team/app:1", "docker.io/team/app:2")
    (tmp_path / "app.tar").write_bytes(layout.tar())
    RegistryFiles(tmp_path / "files").push(layout, "team/app", **{"2": one, "1": one})
    storectl("import", "app.tar")
    command, _ = fake_ssh(tmp_path / "other machine")
    monkeypatch.setenv("STORECTL_SSH", command)
    for name in (
        "store:team/app",
        "registry-tree:files:team/app",
        f"ssh://h{storectl.root}::team/app",
    ):
        assert storectl("tags", name).split() == ["1", "2"]
        full = storectl("tags", "--full-ref", name).split()
        assert full == [f"{name}:1", f"{name}:2"]
        assert storectl("digest", full[0]).split() == [one["digest"]]


def test_the_names_in_archives(storectl: Runner, tmp_path: Path) -> None:
    layout = Layout()
    layout.root(layout.image(gzip(A)), "docker.io/team/app:1")
    layout.root(layout.image(gzip(B)), "docker.io/library/debian:12")
    layout.folder(tmp_path / "layout")
    (tmp_path / "demo.tar").write_bytes(image(A, tags=("demo:1", "x/demo:2")).bytes())
    assert storectl("tags", "oci:layout").split() == ["team/app:1", "debian:12"]
    full = storectl("tags", "--full-ref", "docker-archive:demo.tar").split()
    assert full == ["docker-archive:demo.tar:demo:1", "docker-archive:demo.tar:x/demo:2"]
    assert storectl("digest", full[1]).startswith("sha256:")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("oci:layout:team/app", ExitCode.INVALID_INPUT),
        ("registry-tree:files", ExitCode.INVALID_INPUT),
        ("registry-tree:files:team/app:1", ExitCode.INVALID_INPUT),
        ("ssh://host", ExitCode.INVALID_INPUT),
        ("ssh://host::team/app:1", ExitCode.INVALID_INPUT),
        ("store:team/app:1", ExitCode.INVALID_INPUT),
        ("store:UPPER", ExitCode.INVALID_INPUT),
        ("dir:folder", ExitCode.INVALID_INPUT),
        ("docker-daemon:debian", ExitCode.INVALID_INPUT),
        ("oci:none", ExitCode.INVALID_INPUT),
    ],
)
def test_what_has_no_tags_is_named(storectl: Runner, name: str, code: ExitCode) -> None:
    storectl("tags", name, code=code)
    assert "Traceback" not in storectl.err


def test_a_repository_that_the_store_lacks_is_not_found(storectl: Runner, tmp_path: Path) -> None:
    (tmp_path / "demo.tar").write_bytes(image(A).bytes())
    storectl("import", "demo.tar")
    storectl("tags", "store:none", code=ExitCode.NOT_FOUND)
