from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.contestants import peers
from bench.missing import MissingError

SHOP: Any = SimpleNamespace()


@pytest.fixture(autouse=True)
def _programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "program", lambda name, *, newest=False: f"{name}-{newest}")


@pytest.mark.parametrize(("codec", "has_level"), [("gzip", False), ("zstd", True)])
def test_skopeo_compresses_at_its_fastest_level(codec: str, has_level: bool) -> None:
    command = peers.skopeo_import(SHOP, "docker-archive", Path("in.tar"), codec, newest=True)
    arguments = list(command.argv(Path("run")))
    assert ("--dest-compress-level" in arguments) is has_level
    assert command.name == f"skopeo (newest), {codec}"
    assert arguments[-2:] == ["docker-archive:in.tar", "oci:run/out:image"]


def test_each_version_of_skopeo_is_a_contestant_of_its_own() -> None:
    names = {
        make(SHOP, Path("in.tar"), newest=newest).name
        for newest in (True, False)
        for make in (peers.skopeo_decode,)
    } | {peers.skopeo_save(SHOP, Path("in"), "a:1", newest=one).name for one in (True, False)}
    assert len(names) == 4


def test_a_missing_program_is_found_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str, *, newest: bool = False) -> str:
        raise MissingError(f"{name} {newest}")

    monkeypatch.setattr(peers, "program", missing)
    command = peers.podman_load(SHOP, Path("in.tar"))
    assert command.setup is not None
    with pytest.raises(MissingError, match="podman"):
        command.setup(Path("run"))


def test_only_mounts_below_the_folder_are_unmounted(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"1 2 3:4 / {point} rw" for point in ("/a", "/a/b", "/ab")]
    monkeypatch.setattr(Path, "read_text", lambda _path: "\n".join(lines))
    unmounted: list[str] = []
    monkeypatch.setattr(
        subprocess, "run", lambda command, **_options: unmounted.append(command[-1])
    )
    peers._unmount(Path("/a"))
    assert unmounted == ["/a/b", "/a"]
