"""`push`, `pull` and `copy` with a store on another machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from store.errors import InvalidReference
from storectl.commands._far_stores import pulled_reference
from storectl.output.exit_codes import ExitCode
from tests.support.command_line import Runner
from tests.support.far_stores import fake_ssh
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    command, log = fake_ssh(tmp_path / "other machine")
    monkeypatch.setenv("STORECTL_SSH", command)
    return log


@pytest.fixture
def storectl(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Runner:
    runner = Runner(tmp_path / "store", capfdbinary)
    layout = Layout()
    index = layout.index(
        layout.image(gzip(A), platform="linux/amd64"),
        layout.image(gzip(B), platform="linux/arm64"),
    )
    layout.root(index, "docker.io/team/app:1")
    layout.root(layout.artifact(b"signed", subject=index))
    (tmp_path / "app.tar").write_bytes(layout.tar())
    runner("import", "-q", str(tmp_path / "app.tar"))
    return runner


def test_an_image_goes_there_and_comes_back(
    storectl: Runner, log: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    there = f"ssh://me@host:2222{tmp_path}/far side"
    digest = storectl("digest", "store:team/app:1").split()[-1]
    storectl("push", "--referrers", "-j", "1", "team/app:1", there)
    assert "Pushed" in storectl.out
    called = log.read_text().splitlines()
    assert len(called) == 1
    assert called[0].startswith("-T -p 2222 me@host storectl --root '")
    # What is there is not sent again.
    again = storectl.json("push", "--referrers", "-j", "1", "team/app:1", there)
    assert again["Blobs"]["Sent"] == []

    near = Runner(tmp_path / "near", capfdbinary)
    near("pull", "-j", "1", "--all-platforms", "--referrers", f"{there}::team/app:1")
    assert near("digest", "store:team/app:1").split()[-1] == digest
    near("copy", "-q", "-j", "1", f"{there}::team/app:1", f"oci:{tmp_path}/layout:x")
    index = json.loads((tmp_path / "layout/index.json").read_text())
    assert index["manifests"][0]["digest"] == digest


def test_an_image_can_have_another_name_there(storectl: Runner, log: Path, tmp_path: Path) -> None:
    del log
    there = f"ssh://host{tmp_path}/far"
    storectl("push", "-q", "-j", "1", "team/app:1", f"{there}::other.example:5000/x/y:2")
    far = Runner(tmp_path / "far", storectl.capture)
    assert far("images").splitlines()[1].split()[:2] == ["other.example:5000/x/y", "2"]


def test_a_pull_creates_no_store_there(storectl: Runner, log: Path, tmp_path: Path) -> None:
    del log
    code = storectl.attempt("pull", f"ssh://host{tmp_path}/none::team/app:1")
    assert code == ExitCode.REGISTRY_UNAVAILABLE
    assert "there is no store" in storectl.err
    assert "exit code 10" in storectl.err
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("pull", "ssh://host/root"),
        ("copy", "oci:layout", "ssh://host/root"),
        ("pull", "ssh://-oProxyCommand=x/root::a"),
        ("push", "team/app:1", "ssh://host;x/root"),
    ],
)
def test_a_place_without_a_name_or_with_an_unsafe_host_is_refused(
    storectl: Runner, log: Path, arguments: tuple[str, ...]
) -> None:
    assert storectl.attempt(*arguments) == ExitCode.INVALID_INPUT
    assert log.read_text() == ""


def test_what_a_shell_prints_is_named(
    storectl: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, _ = fake_ssh(tmp_path / "noisy", "echo Welcome to this machine")
    monkeypatch.setenv("STORECTL_SSH", command)
    code = storectl.attempt("push", "team/app:1", f"ssh://host{tmp_path}/far")
    assert code == ExitCode.REGISTRY_UNAVAILABLE
    assert "Welcome to this machine" in storectl.err


def test_other_places_are_not_pulled_from() -> None:
    assert str(pulled_reference("ssh://h::a")) == "docker.io/library/a:latest"
    assert str(pulled_reference("docker://a/b:1")) == "docker.io/a/b:1"
    with pytest.raises(InvalidReference, match="not in a registry"):
        pulled_reference("oci:layout")
