"""`prune`: the request for confirmation, and the garbage collection after it."""

from __future__ import annotations

import io

import pytest

from tests.support.fake_shell import ONE, FakeStore, Shell, as_json, collection_report


@pytest.mark.parametrize(
    ("answer", "agreed"),
    [
        ("y\n", True),
        ("YES\n", True),
        ("n\n", False),
        ("\n", False),
        ("", False),
        ("yesterday\n", False),
    ],
)
def test_only_yes_removes_images(
    shell: Shell,
    fake: FakeStore,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    agreed: bool,
) -> None:
    fake.answers["collect"] = collection_report()
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    out = shell("prune")
    assert "Are you sure you want to continue? [y/N] " in shell.err
    assert fake.asked == ([("collect", (), {"dangling": True})] if agreed else [])
    assert out.endswith(
        "Total reclaimed space: 1.235MB\n" if agreed else "Total reclaimed space: 0B\n"
    )


def test_force_does_not_ask_and_closed_input_means_no(
    shell: Shell, fake: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.answers["collect"] = collection_report()
    assert as_json(shell("prune", "-f", "--json"))["ImagesDeleted"] == [{"Deleted": str(ONE)}]
    assert shell.err == ""
    monkeypatch.setattr("sys.stdin", None)
    assert as_json(shell("prune", "--json"))["ImagesDeleted"] == []
