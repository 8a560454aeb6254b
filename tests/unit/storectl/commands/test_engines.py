"""The engine of `DOCKER_HOST` as the source and the receiver of commands."""

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
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{running.socket}")
        yield running


@pytest.fixture
def storectl(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Runner:
    runner = Runner(tmp_path / "store", capfdbinary)
    archive = tmp_path / "demo.tar"
    archive.write_bytes(image(A, B, tags=("demo:1",)).bytes())
    runner("import", str(archive))
    return runner


def test_an_image_is_pushed_into_the_engine(storectl: Runner, engine: FakeEngine) -> None:
    storectl("push", "demo:1", "docker-daemon:mine/app:1")
    assert list(engine.names) == ["mine/app:1"]
    again = storectl.json("push", "demo:1", "docker-daemon:mine/app:1")
    assert again["Blobs"]["Sent"] == []
    assert "has everything" in storectl("push", "--dry-run", "demo:1", "docker-daemon:mine/app:1")


def test_an_image_of_the_engine_is_copied(
    storectl: Runner, engine: FakeEngine, tmp_path: Path
) -> None:
    engine.keep("mine/app:1", image(A, B, tags=("mine/app:1",)))

    storectl("copy", "docker-daemon:mine/app:1", f"dir:{tmp_path}/copied")

    digest = storectl("digest", "docker-daemon:mine/app:1")
    assert storectl("digest", f"dir:{tmp_path}/copied") == digest
    assert storectl("digest", "store:demo:1") == digest


def test_what_an_engine_cannot_do_is_one_line(storectl: Runner, engine: FakeEngine) -> None:
    storectl("copy", "docker-daemon:none:1", "dir:none", code=ExitCode.NOT_FOUND)
    engine.keep("mine/app:1", image(A, B, tags=("mine/app:1",)))
    engine.cuts = True
    storectl("digest", "docker-daemon:mine/app:1", code=ExitCode.UNAVAILABLE)
    identity = f"docker-daemon:sha256:{'a' * 64}"
    storectl("push", "demo:1", identity, code=ExitCode.INVALID_INPUT)
    assert "under a name with a tag" in storectl.err
