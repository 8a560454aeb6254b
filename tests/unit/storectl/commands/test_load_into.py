"""`load-into docker` sends an engine the layers that it lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from storectl.output.exit_codes import ExitCode
from tests.support.command_line import Runner
from tests.support.fake_engine import FakeEngine
from tests.support.images import A, B, image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture
def storectl(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Runner:
    runner = Runner(tmp_path / "store", capfdbinary)
    archive = tmp_path / "demo.tar"
    archive.write_bytes(image(A, B, tags=("demo:1", "demo:latest")).bytes())
    runner("import", str(archive))
    return runner


def test_an_image_keeps_its_name_and_is_sent_once(storectl: Runner, engine: FakeEngine) -> None:
    there = ("--address", f"unix://{engine.socket}", "docker")
    storectl("load-into", "--dry-run", *there, "demo:1")
    assert list(engine.names) == []
    storectl("load-into", *there, "demo:1")
    assert list(engine.names) == ["demo:1"]
    assert storectl.json("load-into", *there, "demo:1")["Blobs"]["Sent"] == []
    storectl("load-into", "-q", *there, "demo")
    assert list(engine.names) == ["demo:1", "demo:latest"]


def test_the_engine_of_the_environment_is_the_default(
    storectl: Runner, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{engine.socket}")
    storectl("load-into", "docker", "demo:1")
    assert list(engine.names) == ["demo:1"]


def test_mistakes_are_one_line(storectl: Runner, tmp_path: Path) -> None:
    there = ("--address", f"unix://{tmp_path}/none.sock", "docker")
    storectl("load-into", *there, "demo:1", code=ExitCode.UNAVAILABLE)
    storectl("load-into", *there, "none:1", code=ExitCode.NOT_FOUND)
    storectl("load-into", "--address", "tcp://x:1", "docker", "demo:1", code=ExitCode.INVALID_INPUT)
    storectl("load-into", "podman", "demo:1", code=ExitCode.USAGE)
