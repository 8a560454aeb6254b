from __future__ import annotations

import pytest

from bench.model import Sample
from bench.reporting.formatting import (
    contestant_row,
    duration,
    figure,
    rate,
    request_counts,
    size,
)
from bench.reporting.results import CaseResult


def test_figures_have_three_digits_and_a_unit() -> None:
    assert [duration(seconds) for seconds in (12.345, 0.0456)] == ["12.35 s", "45.6 ms"]
    assert [size(number) for number in (0, 999, 1e6, 4.5e9)] == ["", "999 B", "1 MB", "4.5 GB"]
    assert [rate(0, 1), rate(10**9, 2)] == ["", "500 MB/s"]
    assert [figure(1.2345, ""), figure(88.1, "MiB")] == ["1.23", "88.1 MiB"]


def test_a_contestant_that_only_weighs_has_no_times() -> None:
    result = CaseResult("sizes", ["ours"], [{"ours": Sample(0, 0, disk_bytes=5000)}])
    assert contestant_row(result, "ours") == ("", "", "", "", "", "", "5 kB", "")


def test_a_contestant_that_never_ran_has_no_row() -> None:
    with pytest.raises(ValueError, match="no figures"):
        contestant_row(CaseResult("case", ["ours"]), "ours")


def test_only_counted_requests_are_shown() -> None:
    rounds = [
        {"ours": Sample(1, 1, extra={"requests": count}), "theirs": Sample(1, 1)}
        for count in (3, 9, 4)
    ]
    assert request_counts(CaseResult("case", ["ours", "theirs", "gone"], rounds)) == {"ours": "4"}
