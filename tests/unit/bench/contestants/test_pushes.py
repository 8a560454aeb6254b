from __future__ import annotations

import subprocess
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from bench.contestants import pushes
from bench.contestants.pushes import Source

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Replace `subprocess.run`; return the list in which each command of a push is recorded."""
    found: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_options: found.append(command))
    monkeypatch.setattr(pushes, "program", lambda name, **_options: name)
    assert tmp_path.is_dir()
    return found


@pytest.fixture
def source(tmp_path: Path) -> Source:
    served: Any = SimpleNamespace(
        ready=lambda: (SimpleNamespace(port=5000), "bench/image", 0),
        shop=SimpleNamespace(
            folder=lambda: tmp_path, engine=lambda: SimpleNamespace(socket="/run/engine")
        ),
    )
    return Source(served)


def test_a_layout_is_copied_from_the_server_once(
    source: Source, commands: list[list[str]], tmp_path: Path
) -> None:
    for _ in range(2):
        assert source.layout("1") == tmp_path
    (command,) = commands
    assert command[-2:] == ["docker://127.0.0.1:5000/bench/image:1", f"oci:{tmp_path}:1"]


def test_docker_pushes_the_image_under_the_name_of_the_target(
    source: Source, commands: list[list[str]]
) -> None:
    command = pushes.by_docker(source, "1", "127.0.0.1:6000/app:1")
    name = "127.0.0.1:5000/bench/image:1"
    assert [one[3:] for one in commands] == [
        ["pull", "-q", name],
        ["tag", name, "127.0.0.1:6000/app:1"],
    ]
    assert command[-1] == "127.0.0.1:6000/app:1"


def test_skopeo_keeps_digests(source: Source, commands: list[list[str]]) -> None:
    command = pushes.by_skopeo(source, "1", "127.0.0.1:6000/app:1")
    assert "--preserve-digests" in command
    assert command[-1] == "docker://127.0.0.1:6000/app:1"
    assert len(commands) == 1
