"""`load-into ctr` sends containerd the contents that it lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.errors import InvalidInput
from storectl.commands._containerd import containerd
from storectl.output.exit_codes import ExitCode
from tests.support.command_line import Runner
from tests.support.fake_ctr import FakeCtr
from tests.support.images import A, B
from tests.support.json_schema import SCHEMA, faults
from tests.support.layouts import Layout, digest, gzip

if TYPE_CHECKING:
    from pathlib import Path

NAME = "docker.io/team/app:1"


@pytest.fixture
def ctr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCtr:
    fake = FakeCtr(tmp_path / "ctr")
    monkeypatch.setenv("STORECTL_CTR", fake.program)
    return fake


@pytest.fixture
def layout() -> Layout:
    layout = Layout()
    amd64 = layout.image(gzip(A), platform="linux/amd64")
    arm64 = layout.image(gzip(B), platform="linux/arm64")
    index = layout.root(layout.index(amd64, arm64), NAME)
    layout.root(layout.artifact(b"signed", subject=index))
    return layout


@pytest.fixture
def storectl(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], layout: Layout) -> Runner:
    runner = Runner(tmp_path / "store", capfdbinary)
    (tmp_path / "app.tar").write_bytes(layout.tar())
    runner("import", str(tmp_path / "app.tar"))
    return runner


def test_an_index_keeps_its_digest_and_one_platform_is_sent(
    storectl: Runner, ctr: FakeCtr, layout: Layout
) -> None:
    there = ("--address", "unix:///x/s", "--namespace", "k8s.io", "--platform", "linux/arm64")
    planned = storectl.json("load-into", "--dry-run", *there, "ctr", "team/app:1")
    assert (ctr.images, len(planned["Blobs"]["Missing"])) == ({}, 2)
    done = storectl.json("load-into", *there, "ctr", "team/app:1")
    for document in (planned, done):
        assert list(faults(document, SCHEMA["properties"]["load-into"])) == []
    assert ctr.images == {NAME: layout.roots[0]["digest"]}
    assert digest(gzip(B).data) in ctr.contents
    assert digest(gzip(A).data) not in ctr.contents
    assert ctr.calls()[-1] == [
        *("--address", "/x/s", "--namespace", "k8s.io"),
        *("images", "import", "--platform", "linux/arm64", "-"),
    ]
    assert done["Destination"] == "containerd (k8s.io): team/app:1"
    calls = len(ctr.calls())
    again = storectl.json("load-into", *there, "ctr", "team/app:1")
    assert (again["Blobs"]["Sent"], again["MovedTags"]) == ([], [])
    assert len(ctr.calls()) == calls + 2


def test_only_what_is_absent_is_sent(storectl: Runner, ctr: FakeCtr) -> None:
    storectl("load-into", "ctr", "team/app:1")
    ctr.forget(digest(gzip(A).data))
    done = storectl.json("load-into", "ctr", "team/app:1")
    assert done["Blobs"]["Sent"] == [digest(gzip(A).data)]
    assert len(done["Blobs"]["Held"]) == 1


def test_mistakes_are_one_line(
    storectl: Runner, ctr: FakeCtr, monkeypatch: pytest.MonkeyPatch, layout: Layout
) -> None:
    storectl("load-into", "ctr", "none:1", code=ExitCode.NOT_FOUND)
    storectl("load-into", "--namespace", "x", "docker", "team/app:1", code=ExitCode.USAGE)
    by_digest = layout.roots[0]["digest"]
    storectl("load-into", "ctr", by_digest, code=ExitCode.INVALID_INPUT)
    ctr.refuse("ctr: permission denied")
    storectl("load-into", "ctr", "team/app:1", code=ExitCode.UNAVAILABLE)
    assert "cannot ask containerd: permission denied" in storectl.err
    monkeypatch.setenv("STORECTL_CTR", "/nowhere/ctr")
    storectl("load-into", "ctr", "team/app:1", code=ExitCode.UNAVAILABLE)
    assert "there is no such program" in storectl.err


def test_the_program_and_the_socket_are_those_of_the_user() -> None:
    found = containerd({"STORECTL_CTR": "sudo 'my ctr'"}, "unix:///s", None)
    assert found.program == ("sudo", "my ctr", "--address", "/s")
    assert str(containerd({"CONTAINERD_NAMESPACE": "k"}, None, None)) == "containerd (k)"
    with pytest.raises(InvalidInput, match="STORECTL_CTR"):
        containerd({"STORECTL_CTR": "'"}, None, None)
