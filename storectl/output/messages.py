"""Errors and notes on standard error: lines of text, or lines of JSON for a run with ``--json``."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from store.errors import printable
from storectl.output.json_flag import is_json
from storectl.output.json_text import json_text

if TYPE_CHECKING:
    from collections.abc import Sequence


def error(
    message: str, hints: Sequence[str], *, kind: str, code: int, as_json: bool | None = None
) -> None:
    """Print an error and its hints on standard error.

    Args:
        message: The fact, with the word ``error`` in front. It may have several lines.
        hints: The next steps.
        kind: The name of the error's class.
        code: The exit code of the kind.
        as_json: Whether to print JSON; None to follow `is_json`.
    """
    if is_json() if as_json is None else as_json:
        fact = message.removeprefix("error: ")
        _json_line({"Error": fact, "Kind": kind, "ExitCode": code, "Hints": list(hints)})
        return
    # Line ends in a message come from the program. All other text may come from an archive, so
    # control characters are escaped.
    _say("\n".join(printable(line) for line in f"storectl: {message}".split("\n")))
    for hint in hints:
        _say(f"hint: {printable(hint)}")


def note(text: str) -> None:
    """Print a note on standard error.

    Args:
        text: One line; control characters are escaped.
    """
    if is_json():
        _json_line({"Note": text})
    else:
        _say(f"storectl: {printable(text)}")


def warning(text: str, *, as_json: bool) -> None:
    """Print a warning on standard error.

    Args:
        text: The warning; control characters are escaped.
        as_json: Whether to print JSON.
    """
    if as_json:
        _json_line({"Warning": text})
    else:
        _say(f"storectl: warning: {printable(text)}")


def _json_line(document: dict[str, object]) -> None:
    # Every terminal and log can show ASCII, and the encoding of standard error is not known here.
    _say(json_text(document, encoding="ascii"))


def _say(text: str) -> None:
    """Print a line on standard error; if that is impossible, nothing is left to tell the user."""
    try:
        click.echo(text, err=True)
    except OSError:
        # The exit code says what happened. Python would change it, if what is buffered could not
        # be written at the end either.
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stderr.fileno())
            os.close(nowhere)
