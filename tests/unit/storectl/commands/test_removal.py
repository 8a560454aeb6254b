"""The lines, the JSON and the exit code that report the removal of images."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from store import errors
from store.names.tagging import RemovedName
from storectl.commands._removal import remove_each
from storectl.output.exit_codes import ExitCode

if TYPE_CHECKING:
    import pytest


def remove(name: str) -> tuple[RemovedName, ...]:
    if name == "unknown":
        raise errors.ImageNotFound("No such image: unknown")
    return RemovedName("untagged", name), RemovedName("deleted", f"sha256:{name}")


def test_a_line_is_printed_for_each_removed_name(capsys: pytest.CaptureFixture[str]) -> None:
    code = remove_each(["a", "unknown", "b"], remove, as_json=False)
    assert code is ExitCode.NOT_FOUND
    said = capsys.readouterr()
    assert said.out == "Untagged: a\nDeleted: sha256:a\nUntagged: b\nDeleted: sha256:b\n"
    assert said.err == "storectl: error: No such image: unknown\n"


def test_json_is_one_list_for_all_names(capsys: pytest.CaptureFixture[str]) -> None:
    remove_each(["a", "b"], remove, as_json=True)
    assert json.loads(capsys.readouterr().out) == [
        {"Untagged": "a"},
        {"Deleted": "sha256:a"},
        {"Untagged": "b"},
        {"Deleted": "sha256:b"},
    ]


def test_an_unknown_name_may_be_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    assert remove_each(["unknown"], remove, as_json=False, may_be_missing=True) is ExitCode.OK
    assert "No such image: unknown" in capsys.readouterr().err
