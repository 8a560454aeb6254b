from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

import pytest

from bench import __main__ as program
from bench import runner
from bench.measuring import machine, pacing, priority
from bench.model import Case, Sample, Target
from bench.reporting import results
from bench.reporting.results import CaseResult, Results

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RATIO = Target("ratio", lambda one: one["ours"].wall_s, 2)
CASES = (
    Case("first", "the first case", lambda _shop: (), (RATIO,)),
    Case("second", "the second case", lambda _shop: (), quick=False),
)


class Shop:
    def __init__(self, *, quick: bool) -> None:
        self.quick = quick

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        pass


@contextmanager
def unchanged() -> Iterator[bool]:
    yield True


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Replace the cases and the machine settings of the bench; return the folder for results."""
    monkeypatch.setattr(program, "CASES", CASES)
    monkeypatch.setattr(program, "FULL", tmp_path)
    monkeypatch.setattr(program, "QUICK", tmp_path / "quick")
    monkeypatch.setattr(program, "BASELINE", tmp_path / "baseline.json")
    monkeypatch.setattr(program, "Workshop", Shop)
    monkeypatch.setattr(priority, "first", unchanged)
    monkeypatch.setattr(pacing, "none", unchanged)
    monkeypatch.setattr(machine, "describe", lambda: {"cores": "2"})
    monkeypatch.setitem(sys.modules, "bench.reporting.charts", None)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["bench", *arguments])
    return program.main()


def measured(case: Case, wall_s: float = 1.0) -> CaseResult:
    return CaseResult(case.title, ["ours"], [{"ours": Sample(wall_s, 1)}])


def test_an_unknown_case_is_refused_with_the_list(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--only", "third") == 2
    assert "first second" in capsys.readouterr().err


def test_a_pattern_chooses_cases(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--list", "--only", "sec*") == 0
    assert capsys.readouterr().out.split() == ["second", "the", "second", "case"]


def test_a_failed_case_does_not_end_the_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measure(case: Case, *_: object) -> CaseResult:
        if case.name == "first":
            raise subprocess.CalledProcessError(1, "storectl")
        return measured(case)

    monkeypatch.setattr(runner, "run", measure)
    assert run(monkeypatch) == 1
    assert list(results.load(folder / "results.json").cases) == ["second"]
    assert "the second case" in (folder / "README.md").read_text()


def test_a_quick_run_measures_quick_cases_into_its_own_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "run", lambda case, *_: measured(case))
    assert run(monkeypatch, "--quick") == 0
    assert list(results.load(folder / "quick" / "results.json").cases) == ["first"]
    assert not (folder / "results.json").exists()


def test_the_gate_compares_with_the_accepted_ratios(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "results.json"
    results.store(path, Results(cases={"first": measured(CASES[0])}))
    assert run(monkeypatch, "--accept") == 0
    assert json.loads((folder / "baseline.json").read_text()) == {"first: ratio": 1.0}
    assert run(monkeypatch, "--gate") == 0
    results.store(path, Results(cases={"first": measured(CASES[0], 1.5)}))
    assert run(monkeypatch, "--gate") == 1
    assert "50% worse" in capsys.readouterr().out
