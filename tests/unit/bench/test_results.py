from __future__ import annotations

from pathlib import Path

import pytest

from bench import report, results
from bench.formatting import duration, figure, rate, size
from bench.model import Case, Contestant, Sample, Target
from bench.results import CaseResult, Results
from bench.runner import rotated

FOUND = Results(
    {"cores": "2"},
    {
        "case": CaseResult(
            "a case",
            ["ours", "theirs", "gone"],
            [
                {
                    "ours": Sample(1.0, 1.5, 3_000_000, 0, 4_000_000, {"depth": 3.0}),
                    "theirs": Sample(3.0, 4.0),
                }
            ],
            {"gone": "it is not installed"},
            input_bytes=500_000_000,
            measured_at="2024-01-01",
            revision="abc",
        )
    },
)
CASE = Case(
    "case",
    "a case",
    lambda _shop: (),
    (
        Target(
            "≥ 2x faster than theirs",
            lambda one: one["theirs"].wall_s / one["ours"].wall_s,
            2,
            at_least=True,
        ),
    ),
)


def test_results_come_back_as_they_were_kept(tmp_path: Path) -> None:
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
    folder = Path(__file__).parents[3] / "docs" / "benchmarks"
    counts = {path.name: path.read_bytes().count(b"\n") for path in folder.iterdir()}
    assert sum(counts.values()) <= 2000, counts


def test_without_a_file_there_are_no_results(tmp_path: Path) -> None:
    assert results.load(tmp_path / "none.json") == Results()


def test_results_of_another_format_are_refused() -> None:
    with pytest.raises(ValueError, match="format 99"):
        results.from_json('{"format": 99}')


def test_the_report_shows_what_was_measured_and_what_was_missing() -> None:
    text = report.render(
        [CASE, Case("other", "not measured", lambda _shop: ())], FOUND, ["case.svg"]
    )
    assert "| a case | ≥ 2x faster than theirs | 3 | 3 to 3 | met |" in text
    assert (
        "| ours | 1.00 s | 1.00 s to 1.00 s | 1.50 s | 500 MB/s | 3 MB |  | 4 MB | 1.00 |" in text
    )
    assert "| gone | missing: it is not installed |" in text
    assert "![case.svg](case.svg)" in text
    assert "not measured" not in text


class Named:
    def __init__(self, name: str) -> None:
        self.name = name

    def prepare(self) -> None:
        """Nothing is needed."""

    def run(self) -> Sample:
        return Sample(0, 0)

    def clean(self) -> None:
        """Nothing is left."""


def test_each_round_begins_with_another_contestant() -> None:
    contestants: list[Contestant] = [Named("a"), Named("b"), Named("c")]
    orders = ["".join(one.name for one in rotated(contestants, turn)) for turn in range(4)]
    assert orders == ["abc", "bca", "cab", "abc"]


def test_figures_have_three_digits_and_a_unit() -> None:
    assert [duration(seconds) for seconds in (12.345, 0.0456)] == ["12.35 s", "45.6 ms"]
    assert [size(number) for number in (0, 999, 1e6, 4.5e9)] == ["", "999 B", "1 MB", "4.5 GB"]
    assert [rate(0, 1), rate(10**9, 2)] == ["", "500 MB/s"]
    assert [figure(1.2345, ""), figure(88.1, "MiB")] == ["1.23", "88.1 MiB"]
