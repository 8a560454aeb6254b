from __future__ import annotations

from dataclasses import replace

from bench.model import Case
from bench.reporting import report
from tests.support.bench_results import CASE, FOUND


def test_the_report_shows_measured_and_missing_contestants() -> None:
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


def test_requests_have_a_column_where_they_are_counted() -> None:
    counted = [
        {name: replace(sample, extra={"requests": 7.0}) for name, sample in one.items()}
        for one in FOUND.rounds(CASE.name)
    ]
    found = replace(FOUND, cases={CASE.name: replace(FOUND.cases[CASE.name], rounds=counted)})
    text = report.render([CASE], found, [])
    assert "| on disk | ratio | requests |" in text
    assert "| 4 MB | 1.00 | 7 |" in text
    assert "| on disk | ratio |\n" in report.render([CASE], FOUND, [])
