from __future__ import annotations

import json
import logging
import threading

import click
import pytest

from storectl.output.json_flag import use_json
from storectl.output.log_messages import show_warnings


def log(level: int, text: str) -> None:
    """Log as Python does if no log is configured, as in a run of the program."""
    last = logging.lastResort
    assert last is not None
    if level >= last.level:
        last.handle(logging.LogRecord("store", level, __file__, 1, text, None, None))


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "lastResort", logging.lastResort)


def test_a_warning_is_a_line_of_text(capsys: pytest.CaptureFixture[str]) -> None:
    show_warnings()
    log(logging.WARNING, "the file \x1b[31m is odd")
    log(logging.INFO, "nothing")
    assert capsys.readouterr().err == "storectl: warning: the file \\x1b[31m is odd\n"


def test_a_warning_is_json_in_any_thread(capsys: pytest.CaptureFixture[str]) -> None:
    with click.Context(click.Command("storectl")) as context:
        use_json(context)
        show_warnings()
        thread = threading.Thread(target=log, args=(logging.ERROR, "two\nlines"))
        thread.start()
        thread.join()
    assert json.loads(capsys.readouterr().err) == {"Warning": "two\nlines"}
