"""The commands of the tutorials, run as a reader would type them, with the real clients."""

from __future__ import annotations

import shlex
import stat
from typing import TYPE_CHECKING

import pytest

from tests.support.documents import Reader, blocks
from tests.support.engine import SEARCH_PATH, Engine, require
from tests.support.peers.workshop import Workshop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("clients")]


@pytest.fixture
def workshop() -> Iterator[Workshop]:
    with Workshop() as shop:
        yield shop


def command(folder: Path, name: str, *words: object) -> None:
    """Write a program that runs another program with these first arguments."""
    path = folder / name
    path.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, words))} "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def clients(workshop: Workshop, needed: set[str], folder: Path) -> dict[str, str]:
    """Return an environment in which the clients use their own daemons and storage."""
    folder.mkdir()
    environment = {"PATH": f"{folder}:{SEARCH_PATH}", "HOME": str(workshop.programs.folder)}
    if "docker" in needed:
        engine: Engine = workshop.docker
        environment |= {"DOCKER_HOST": f"unix://{engine.socket}"}
    if "ctr" in needed:
        command(folder, "ctr", *workshop.containerd.command)
        environment |= {"CONTAINERD_SNAPSHOTTER": "native"}
    if "podman" in needed:
        command(folder, "podman", *workshop.podman.command)
    return environment


@pytest.mark.parametrize("name", ["replace-docker-save", "serve-a-registry", "back-up-and-restore"])
def test_every_command_of_a_tutorial_does_what_it_shows(
    name: str, workshop: Workshop, tmp_path: Path
) -> None:
    shown = blocks(f"docs/tutorials/{name}.md", "console")
    needed = {block.needs for block in shown} - {""}
    require(*needed, *({"dockerd"} if "docker" in needed else ()))
    folder = tmp_path / "reader"
    folder.mkdir()
    with Reader(folder, **clients(workshop, needed, tmp_path / "bin")) as reader:
        for block in shown:
            reader.run(block)
