from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from bench.contestants import pulls
from bench.measuring import measure
from bench.model import Sample

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_pull_measures_the_client_and_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "target"
    target.mkdir()
    server = SimpleNamespace(port=5000, daemon=lambda: "daemon")
    served: Any = SimpleNamespace(
        name="storectl",
        ready=lambda: (server, "bench/image:1", 0),
        shop=SimpleNamespace(folder=lambda: target),
    )
    runs: list[tuple[object, object]] = []

    def run(command: list[str], *, daemon: object) -> Sample:
        runs.append((command, daemon))
        return Sample(1, 2)

    monkeypatch.setattr(measure, "run", run)
    pull = pulls.FolderPull(lambda image, folder: [image, str(folder)], served)
    assert (pull.name, pull.run()) == ("storectl", Sample(1, 2))
    assert runs == [(["127.0.0.1:5000/bench/image:1", str(target)], "daemon")]
    assert not target.exists()
