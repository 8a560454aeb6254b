"""Errors and notes on standard error, as text and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from store import errors
from storectl.output import messages

if TYPE_CHECKING:
    import pytest

    from tests.support.fake_shell import FakeStore, Shell


def test_an_error_is_a_line_of_json_with_json(shell: Shell, fake: FakeStore) -> None:
    fake.answers["each_image"] = errors.Conflict("two:\n  é\x1b[2J", hint="choose")
    assert shell("images", "--json", code=6) == ""
    assert shell.err.count("\n") == 1
    assert shell.err.isascii()
    assert json.loads(shell.err) == {
        "Error": "two:\n  é\x1b[2J",
        "Kind": "Conflict",
        "ExitCode": 6,
        "Hints": ["choose"],
    }


def test_each_unknown_name_is_a_line_of_json(shell: Shell, fake: FakeStore) -> None:
    fake.answers["untag"] = errors.ReferenceNotFound("No such tag")
    assert shell("untag", "--json", "x", "y", code=3) == "[]\n"
    assert [json.loads(line)["Kind"] for line in shell.err.splitlines()] == [
        "ReferenceNotFound",
        "ReferenceNotFound",
    ]


def test_wrong_usage_is_json_even_if_the_line_cannot_be_parsed(shell: Shell) -> None:
    for arguments in (("images", "--json", "--nope"), ("nope", "--json"), ("tag", "--json", "x")):
        shell(*arguments, code=2)
        found = json.loads(shell.err)
        assert (found["Kind"], found["ExitCode"]) == ("UsageError", 2)


def test_a_bug_is_json_too(shell: Shell, fake: FakeStore) -> None:
    fake.answers["each_image"] = RuntimeError("a fault")
    shell("images", "--json", code=1)
    assert json.loads(shell.err)["Error"] == "internal error: RuntimeError: a fault"


def test_notes_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    messages.note("created\x1b")
    assert capsys.readouterr().err == "storectl: created\\x1b\n"
