from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from bench.contestants import crowded
from bench.corpora.catalogue import MILLION, SMALL

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("quick", "scale"), [(True, SMALL), (False, MILLION)])
def test_names_are_spread_over_the_store(quick: bool, scale: Any) -> None:  # noqa: ANN401
    shop: Any = SimpleNamespace(quick=quick)
    names = crowded.names(shop)
    assert len(set(names)) == 12
    assert names[0] == scale.tag(7)


def test_a_question_reports_what_its_process_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_options: object) -> object:
        commands.append(command)
        return SimpleNamespace(stdout='{"wall_s": 0.5, "cpu_s": 0.25, "peak_bytes": 7}')

    monkeypatch.setattr(subprocess, "run", run)
    sample = crowded.Question("storectl", "plan", tmp_path, lambda: ["a:1", "b:1"]).run()
    assert (sample.wall_s, sample.cpu_s, sample.peak_bytes) == (0.5, 0.25, 7)
    assert commands == [
        [sys.executable, "-m", "bench.reporting.questions", "plan", str(tmp_path), "a:1", "b:1"]
    ]
