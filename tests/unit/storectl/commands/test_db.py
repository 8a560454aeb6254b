"""`db`: commands that show, upgrade and check the schema of the database."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from store import Store
from tests.support.fake_shell import Shell, as_json

if TYPE_CHECKING:
    import pytest


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str, answer: object) -> None:
    monkeypatch.setattr(Store, name, staticmethod(lambda *_args, **_kwargs: answer))


def test_current_prints_the_revision_and_the_needed_one(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(
        monkeypatch, "schema_state", SimpleNamespace(current="0001", head="0002", is_current=False)
    )
    assert shell("db", "current") == "0001 (this program needs 0002)\n"
    assert as_json(shell("db", "current", "--json")) == {"Current": "0001", "Head": "0002"}
    stand_in(
        monkeypatch, "schema_state", SimpleNamespace(current=None, head="0002", is_current=False)
    )
    assert shell("db", "current").startswith("none ")
    stand_in(
        monkeypatch, "schema_state", SimpleNamespace(current="0002", head="0002", is_current=True)
    )
    assert shell("db", "current") == "0002 (up to date)\n"


def test_upgrade_prints_both_revisions_and_the_backup(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(
        monkeypatch,
        "upgrade",
        SimpleNamespace(before="0001", after="0002", backup=Path("store.db.bak")),
    )
    assert shell("db", "upgrade") == "upgraded from 0001 to 0002\n"
    assert shell.err == "the database as it was: store.db.bak\n"
    assert as_json(shell("db", "upgrade", "--json")) == {
        "Before": "0001",
        "After": "0002",
        "Backup": "store.db.bak",
    }
    stand_in(monkeypatch, "upgrade", SimpleNamespace(before=None, after="0002", backup=None))
    assert shell("db", "upgrade") == "upgraded from nothing to 0002\n"
    stand_in(monkeypatch, "upgrade", SimpleNamespace(before="0002", after="0002", backup=None))
    assert shell("db", "upgrade") == "already at 0002\n"
    assert as_json(shell("db", "upgrade", "--json"))["Backup"] is None


def test_check_sets_exit_code_5_for_differences(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(monkeypatch, "check_schema", ("a column is missing",))
    assert shell("db", "check", code=5) == "a column is missing\n1 difference(s)\n"
    assert as_json(shell("db", "check", "--json", code=5)) == {
        "Differences": ["a column is missing"]
    }
    stand_in(monkeypatch, "check_schema", ())
    assert "no difference" in shell("db", "check")
