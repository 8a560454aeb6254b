from __future__ import annotations

from pathlib import Path

import pytest

from bench.reporting import results
from bench.reporting.results import Results
from tests.support.bench_results import FOUND


def test_stored_results_are_loaded_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "results.json"
    results.store(path, FOUND)
    assert results.load(path) == FOUND


def test_a_results_file_has_one_line_per_case_and_keeps_the_order_of_the_machine() -> None:
    machine = {"storectl": "1", "cores": "2"}
    found = Results(machine, {"b": FOUND.cases["case"], "a": FOUND.cases["case"]})
    lines = results.to_json(found).splitlines()
    assert [line[:4] for line in lines if line.startswith('"')] == ['"mac', '"cas', '"a":', '"b":']
    assert list(results.from_json("\n".join(lines)).machine) == ["storectl", "cores"]


def test_the_committed_results_stay_small() -> None:
    folder = Path(__file__).parents[4] / "docs" / "benchmarks"
    counts = {path.name: path.read_bytes().count(b"\n") for path in folder.iterdir()}
    assert sum(counts.values()) <= 2000, counts


def test_without_a_file_there_are_no_results(tmp_path: Path) -> None:
    assert results.load(tmp_path / "none.json") == Results()


def test_results_of_another_format_are_refused() -> None:
    with pytest.raises(ValueError, match="format 99"):
        results.from_json('{"format": 99}')
