"""`prune`: the request for confirmation, and the garbage collection after it."""

from __future__ import annotations

import io

import pytest

from tests.support.fake_shell import ONE, FakeStore, Shell, as_json, collection_report
from tests.support.terminals import Terminal


@pytest.mark.parametrize(("answer", "agreed"), [("y\n", True), ("n\n", False)])
def test_only_yes_removes_images(
    shell: Shell,
    fake: FakeStore,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    agreed: bool,
) -> None:
    fake.answers["collect"] = collection_report()
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    out = shell("prune")
    assert "This will remove all dangling images." in shell.err
    assert fake.asked == ([("collect", (), {"dangling": True})] if agreed else [])
    assert out.endswith(
        "Total reclaimed space: 1.235MB\n" if agreed else "Total reclaimed space: 0B\n"
    )


def test_force_does_not_ask_and_without_a_terminal_nothing_is_removed(
    shell: Shell, fake: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.answers["collect"] = collection_report()
    assert as_json(shell("prune", "-f", "--json"))["ImagesDeleted"] == [{"Deleted": str(ONE)}]
    assert shell.err == ""
    fake.asked.clear()
    for stdin in (None, io.StringIO("y\n")):
        monkeypatch.setattr("sys.stdin", stdin)
        shell("prune", code=2)
        assert "standard input is not a terminal. Give --force" in shell.err
    assert fake.asked == []
