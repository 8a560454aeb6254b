"""Options that all commands share, and commands that accept several names."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import click
import pytest

from store import errors
from storectl import cli
from storectl.commands import tag
from storectl.output.exit_codes import ExitCode
from storectl.verb import SectionOption, Verb, for_each

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.fake_shell import FakeStore, Shell


def test_debug_logs_to_standard_error(
    shell: Shell, fake: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    configured: list[dict[str, object]] = []
    monkeypatch.setattr(logging, "basicConfig", lambda **options: configured.append(options))
    fake.answers["each_image"] = ()
    shell("--debug", "images")
    assert [(one["level"], one["stream"]) for one in configured] == [(logging.DEBUG, sys.stderr)]


def test_common_options_may_stand_before_and_after_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (
        ["--root", "/x/before", "images", "--root", "/x/after"],
        ["db", "current", "--root", "/x/after"],
        ["db", "--root", "/x/after", "current"],
    ):
        assert cli.run(arguments) == 10
        assert "no store at /x/after" in capsys.readouterr().err
    monkeypatch.delenv("HOME")
    assert cli.run(["images", "--root", str(tmp_path / "none"), "--debug"]) == 10
    assert "Traceback" in capsys.readouterr().err


def test_options_stand_in_their_sections_and_all_others_after_them() -> None:
    command = Verb(
        "make",
        params=[
            SectionOption(["--size"], section="Form", help="Size of it."),
            click.Option(["--quiet"], is_flag=True, help="Print nothing."),
            SectionOption(["--colour"], section="Paint", help="Colour of it."),
            SectionOption(["--shape"], section="Form", help="Shape of it."),
            click.Option(["--secret"], hidden=True),
        ],
        examples=("storectl make",),
    )
    said = command.get_help(click.Context(command, info_name="make", terminal_width=80))
    assert (
        said
        == """\
Usage: make [OPTIONS]

Form:
  --size TEXT             Size of it.
  --shape TEXT            Shape of it.

Paint:
  --colour TEXT           Colour of it.

Other options:
  --quiet                 Print nothing.
  --root DIR              Folder of the store.
  --lock-timeout SECONDS  How long to wait for a lock of another process.
  --debug                 Log each step and print tracebacks.
  --help                  Show this message and exit.

Example:
  storectl make"""
    )


def test_flags_take_boolean_values_like_docker(shell: Shell, fake: FakeStore) -> None:
    fake.answers["collect"] = errors.ImageNotFound("enough")
    shell("gc", "--dry-run=true", "--dangling=false", code=3)
    assert fake.asked[-1][2] == {"dry_run": True, "dangling": False, "end_grace": False}
    shell("gc", "--dry-run=perhaps", code=2)
    fake.answers["inspect"] = errors.ImageNotFound("enough")
    shell("history", "--human=false", "--", "--human=false", code=3)
    assert fake.asked[-1][1][0] == "--human=false"


def act_on(answers: dict[str, object], stopped_at: list[str]) -> Callable[[str], object]:
    def act(name: str) -> object:
        stopped_at.append(name)
        answer = answers[name]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return act


def test_an_error_about_one_name_does_not_stop_the_others(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tried: list[str] = []
    answers = {
        "a": errors.ImageNotFound("No such image: a"),
        "b": 2,
        "c": errors.Conflict("in use"),
    }
    results, code = for_each(["a", "b", "c"], act_on(answers, tried))
    assert (results, code) == ([2], ExitCode.NOT_FOUND)
    assert tried == ["a", "b", "c"]
    assert "No such image: a" in capsys.readouterr().err
    results, code = for_each(["a", "c"], act_on(answers, tried), may_be_missing=True)
    assert code is ExitCode.CONFLICT


def test_unknown_names_are_reported_without_failing_if_they_may_be_missing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    answers: dict[str, object] = {"a": errors.ImageNotFound("No such image: a")}
    assert for_each(["a"], act_on(answers, []), may_be_missing=True) == ([], ExitCode.OK)
    assert "No such image: a" in capsys.readouterr().err


def test_an_error_that_is_not_about_a_name_stops_the_command() -> None:
    tried: list[str] = []
    with pytest.raises(errors.StorageFull):
        for_each(["a", "b"], act_on({"a": errors.StorageFull("full")}, tried))
    assert tried == ["a"]


def test_the_help_lists_options_only() -> None:
    # Newer versions of click list arguments as well, without a description.
    command = tag.command
    help_text = command.get_help(click.Context(command, info_name="tag"))
    assert "Usage: tag [OPTIONS] SOURCE TARGET" in help_text
    options = help_text.partition("Options:")[2]
    assert not any(line.strip() in {"SOURCE", "TARGET"} for line in options.splitlines())
