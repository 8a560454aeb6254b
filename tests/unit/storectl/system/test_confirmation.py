"""Questions on a terminal."""

from __future__ import annotations

import io

import click
import pytest

from storectl.system.confirmation import confirm
from tests.support.terminals import Terminal


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
def test_only_yes_means_yes(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answer: str,
    *,
    agreed: bool,
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    assert confirm("This will remove everything.", flag="--force") is agreed
    assert capsys.readouterr().err.startswith(
        "WARNING! This will remove everything.\nAre you sure you want to continue? [y/N] "
    )


@pytest.mark.parametrize("stdin", [None, io.StringIO("y\n")])
def test_without_a_terminal_the_option_is_named(
    monkeypatch: pytest.MonkeyPatch, stdin: io.StringIO | None
) -> None:
    monkeypatch.setattr("sys.stdin", stdin)
    with pytest.raises(click.UsageError, match="Give --force to continue"):
        confirm("This will remove everything.", flag="--force")
