from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bench.contestants import ours
from store import Store

SHOP: Any = SimpleNamespace()


def test_an_empty_store_exists_before_the_import(tmp_path: Path) -> None:
    command = ours.importing(SHOP, Path("in.tar"), "--compression", "none")
    assert command.setup is not None
    command.setup(tmp_path)
    with Store.open(tmp_path / "out") as store:
        assert list(store.images()) == []
    assert list(command.argv(tmp_path))[-4:] == ["-q", "--compression", "none", "in.tar"]


def test_a_save_names_the_image_last() -> None:
    command = ours.saving(SHOP, Path("root"), "app:1", "--format", "oci")
    arguments = list(command.argv(Path("run")))
    assert arguments[-3:] == ["--format", "oci", "app:1"]
    assert arguments[arguments.index("-o") + 1] == "run/out"


def test_a_pipe_gives_options_before_the_dash() -> None:
    arguments = list(ours.importing_pipe(SHOP, Path("in.tar"), "-x").argv(Path("run")))
    assert arguments[2].endswith('"${@:4}" -')
    assert arguments[4] == "in.tar"
    assert arguments[-1] == "-x"
