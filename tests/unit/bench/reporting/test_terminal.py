from __future__ import annotations

from typing import TYPE_CHECKING

from bench.model import Case
from bench.reporting import terminal
from tests.support.bench_results import CASE, FOUND

if TYPE_CHECKING:
    import pytest


def test_tables_show_contestants_missing_ones_and_targets(
    capsys: pytest.CaptureFixture[str],
) -> None:
    terminal.show([CASE, Case("other", "another case", lambda _shop: ())], FOUND)
    out = capsys.readouterr().out
    assert "500 MB/s" in out
    assert "missing: gone (it is not installed)" in out
    assert "≥ 2x faster than theirs" in out
    assert "met" in out
    assert "another case" not in out
