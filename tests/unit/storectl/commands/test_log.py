"""`log`: a line for each change of a tag, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store import Store
from store.model.actors import Actor
from tests.conftest import NOW
from tests.support.fake_shell import Shell, as_json
from tests.support.images import A, B
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def lines(root: Path) -> list[str]:
    """Return the digests that a tag has named, oldest first."""
    found = []
    with Store.open(root, create=True, clock=lambda: NOW, actor=Actor("eve")) as store:
        for layer in (A, B):
            put_image(store, layer, tags=("team/app:1",))
            found.append(str(store.inspect("team/app:1").manifests[0].digest))
        store.untag("team/app:1")
    return found


def test_changes_are_a_table(
    root: Path,
    lines: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TZ", "UTC")
    shell = real_shell(root, capsys)
    one, two = (digest.partition(":")[2][:12] for digest in lines)
    rows = [line.split() for line in shell("log", "team/app").splitlines()]
    assert rows[0] == ["WHEN", "NAME", "FROM", "TO", "BY", "USER"]
    assert [row[1:] for row in rows[1:]] == [
        ["team/app:1", two, "-", "untag", "eve"],
        ["team/app:1", one, two, "import", "eve"],
        ["team/app:1", "-", one, "import", "eve"],
    ]
    assert len(shell("log", "--limit", "1", "team/app:1").splitlines()) == 2
    assert lines[1] in shell("log", "--no-trunc", "team/app:1")
    assert shell("log", "--format", "{{.Operation}}", "-n", "1", "team/app:1") == "untag\n"


def test_json_has_whole_digests_and_null_for_no_tag(
    root: Path, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    shell = real_shell(root, capsys)
    assert as_json(shell("log", "--json", "team/app:1"))[0] == {
        "Time": "2026-01-02T03:04:05Z",
        "Name": "team/app:1",
        "Old": lines[1],
        "New": None,
        "Operation": "untag",
        "User": "eve",
        "Address": None,
    }


def test_an_unknown_name_is_not_found(
    root: Path, lines: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    del lines
    shell = real_shell(root, capsys)
    shell("log", "team/ap:1", code=3)
    assert "no change of team/ap:1 is recorded" in shell.err


class RealShell(Shell):
    """A command line on a store in a folder."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        super().__init__(None, capsys)  # type: ignore[arg-type] # there is no fake store
        self.root = root

    def __call__(self, *arguments: str, code: int = 0) -> str:
        return super().__call__("--root", str(self.root), *arguments, code=code)


def real_shell(root: Path, capsys: pytest.CaptureFixture[str]) -> RealShell:
    return RealShell(root, capsys)
