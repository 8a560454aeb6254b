"""`--undo-for` and STORECTL_UNDO_FOR say for how long rollbacks stay possible."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from tests.support.fake_shell import FakeStore, Shell, collection_report

if TYPE_CHECKING:
    import pytest


def test_the_option_takes_precedence_over_the_environment(
    shell: Shell, fake: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.answers["collect"] = collection_report()
    shell("gc", "--undo-for", "168h")
    assert fake.undo_for == timedelta(days=7)
    monkeypatch.setenv("STORECTL_UNDO_FOR", "24h")
    shell("prune", "--force", "--undo-for", "0")
    assert fake.undo_for == timedelta(0)
    shell("gc", "--undo-for", "7 days", code=2)
    assert "expected a duration such as 720h" in shell.err
