"""Error messages on standard error: facts, hints and tracebacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from store import errors
from store.model.remedies import Remedy
from storectl.output.exit_codes import ExitCode
from storectl.output.failures import report, report_usage
from storectl.output.remedies import WORDS

if TYPE_CHECKING:
    from tests.support.fake_shell import FakeStore, Shell


def test_an_error_is_printed_with_its_hint_and_without_control_characters(
    shell: Shell, fake: FakeStore
) -> None:
    fake.answers["each_image"] = errors.Conflict("two of them:\n  a\x1b[2J", hint="choose\x07")
    shell("images", code=6)
    assert shell.err == "storectl: error: two of them:\n  a\\x1b[2J\nhint: choose\\x07\n"
    fake.answers["each_image"] = errors.NotFound("gone")
    shell("images", code=3)
    assert shell.err == "storectl: error: gone\n"


@pytest.mark.parametrize(
    ("raised", "code", "said"),
    [
        (
            OSError(28, "No space left on device"),
            7,
            "the operating system says: No space left on device",
        ),
        (OSError(30, "Read-only file system", "there"), 8, "there: Read-only file system"),
        (PermissionError(13, "Permission denied", "there"), 9, "there: Permission denied"),
        (OSError(5, "Input/output error"), 10, "Input/output error"),
        (RuntimeError("a fault"), 1, "internal error: RuntimeError: a fault"),
        (EOFError("a fault, too"), 1, "internal error: EOFError"),
        (RecursionError("deep"), 1, "internal error: RecursionError"),
    ],
)
def test_an_unexpected_error_has_a_traceback_only_with_debug(
    shell: Shell, fake: FakeStore, raised: Exception, code: int, said: str
) -> None:
    fake.answers["each_image"] = raised
    shell("images", code=code)
    assert said in shell.err
    assert "Traceback" not in shell.err
    shell("--debug", "images", code=code)
    assert said in shell.err
    assert "Traceback" in shell.err


def test_a_remedy_is_printed_below_the_hint(capsys: pytest.CaptureFixture[str]) -> None:
    error = errors.StorageFull("full", hint="free some space", remedy=Remedy.COLLECT_GARBAGE)
    assert report(error, debug=False) is ExitCode.STORAGE_FULL
    assert capsys.readouterr().err.splitlines() == [
        "storectl: error: full",
        "hint: free some space",
        f"hint: {WORDS[Remedy.COLLECT_GARBAGE]}",
    ]


def test_an_error_without_a_file_is_about_the_given_subject(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert report(OSError(5, "Input/output error"), debug=False, about="the disk") == 10
    assert capsys.readouterr().err.startswith("storectl: error: the disk: Input/output error\n")


def test_a_bug_asks_for_a_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(KeyError("x"), debug=False) is ExitCode.FAILURE
    assert "hint: this is a bug in storectl: report it" in capsys.readouterr().err


def test_wrong_usage_names_the_help_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    context = click.Context(click.Command("verb"), info_name="storectl verb")
    assert report_usage(click.UsageError("no such option", context)) is ExitCode.USAGE
    assert capsys.readouterr().err.splitlines() == [
        "storectl: error: no such option",
        "hint: run `storectl verb --help` for the usage",
    ]
    assert report_usage(click.ClickException("wrong")) is ExitCode.USAGE
    assert capsys.readouterr().err == "storectl: error: wrong\n"
