from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from bench.contestants.command import Command

if TYPE_CHECKING:
    from pathlib import Path


class Shop:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def folder(self) -> Path:
        (self._folder / "run").mkdir()
        return self._folder / "run"


@pytest.fixture
def shop(tmp_path: Path) -> Any:  # noqa: ANN401 - only one method of a workshop is called
    return Shop(tmp_path)


def test_a_command_runs_in_a_new_folder_with_its_own_temporary_folder(
    shop: Any,  # noqa: ANN401
    tmp_path: Path,
) -> None:
    gone: list[Path] = []

    def fill(folder: Path) -> None:
        (folder / "in").write_text("input")

    script = 'cat "$1" && printf "$TMPDIR $MORE" > "$2/out"'
    command = Command(
        "name",
        shop,
        lambda folder: ["bash", "-c", script, "bash", str(folder / "in"), str(folder)],
        setup=fill,
        stdout="printed",
        env=lambda _folder: {"MORE": "more"},
        teardown=gone.append,
    )
    command.prepare()
    sample = command.run()
    folder = tmp_path / "run"
    assert (folder / "out").read_text() == f"{folder / 'tmp'} more"
    assert (folder / "printed").read_text() == "input"
    assert sample.disk_bytes > 0
    command.clean()
    assert gone == [folder]
    assert not folder.exists()


def test_a_failed_command_is_not_a_sample(shop: Any) -> None:  # noqa: ANN401
    command = Command("name", shop, lambda _folder: ["false"])
    command.prepare()
    with pytest.raises(subprocess.CalledProcessError):
        command.run()


def test_the_requests_of_the_run_are_counted(shop: Any) -> None:  # noqa: ANN401
    logged = iter((3, 10))
    command = Command("name", shop, lambda _: ["true"], requests=lambda: next(logged))
    command.prepare()
    assert command.run().extra["requests"] == 7
