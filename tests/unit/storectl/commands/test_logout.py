"""`logout`: the files and helpers that keep credentials."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.fake_shell import as_json
from tests.support.guarded_registry import clean_home
from tests.support.json_schema import SCHEMA, faults

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.fake_shell import Shell

ENTRY = {"auth": "YWxpY2U6c2VjcmV0"}


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = clean_home(monkeypatch, tmp_path) / ".docker" / "config.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"auths": {"q.io": ENTRY, "r.io": ENTRY}, "psFormat": "x"}))
    return path


def test_the_credentials_of_a_registry_are_removed(shell: Shell, config: Path) -> None:
    said = shell("logout", "https://q.io/")
    assert said == f"Removed login credentials for q.io from {config}\n"
    assert json.loads(config.read_text()) == {"auths": {"r.io": ENTRY}, "psFormat": "x"}
    assert shell("logout", "q.io") == "Not logged in to q.io\n"


def test_all_credentials_are_removed(shell: Shell, config: Path) -> None:
    assert len(shell("logout", "--all").splitlines()) == 2
    assert json.loads(config.read_text()) == {"auths": {}, "psFormat": "x"}
    assert shell("logout", "--all") == "Not logged in to any registry\n"
    assert as_json(shell("logout", "--all", "--json")) == []


def test_the_files_are_named_as_json(shell: Shell, config: Path) -> None:
    shown = as_json(shell("logout", "--json", "r.io"))
    assert shown == [{"File": str(config), "Registries": ["r.io"]}]
    assert list(faults(shown, SCHEMA["properties"]["logout"])) == []


def test_a_named_file_is_the_only_one(shell: Shell, config: Path, tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    path.write_text(json.dumps({"auths": {"q.io": ENTRY}}))
    shell("logout", "--authfile", str(path), "q.io")
    assert json.loads(path.read_text())["auths"] == {}
    assert "q.io" in json.loads(config.read_text())["auths"]
    shell("logout", "--authfile", str(tmp_path / "none"), "q.io", code=4)


def test_a_variable_with_credentials_is_named(
    shell: Shell, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_AUTH_CONFIG", "{}")
    shell("logout", "q.io")
    assert "stay until you unset it" in shell.err
    assert "q.io" not in json.loads(config.read_text())["auths"]


@pytest.mark.parametrize("arguments", [(), ("--all", "q.io"), ("quay",)])
def test_wrong_usage_changes_nothing(
    shell: Shell, config: Path, arguments: tuple[str, ...]
) -> None:
    before = config.read_text()
    shell("logout", *arguments, code=2)
    assert config.read_text() == before
