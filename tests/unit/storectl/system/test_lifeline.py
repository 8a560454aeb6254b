"""A command ends when the server that runs it has ended."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from storectl.system.lifeline import LIFELINE, watch
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: found.append((pid, number)))
    return found


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    os.set_inheritable(ends[0], True)  # noqa: FBT003 - it has no names
    yield ends
    os.close(ends[0])


def test_the_end_of_the_server_ends_the_command(
    killed: list[tuple[int, int]], pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIFELINE, str(pipe[0]))
    watch()
    # Programs that the command runs are not concerned.
    assert LIFELINE not in os.environ
    assert not os.get_inheritable(pipe[0])
    assert killed == []
    os.close(pipe[1])
    until(lambda: killed == [(os.getpid(), signal.SIGTERM)])
    until(lambda: all(one.name != "lifeline" for one in threading.enumerate()))


@pytest.mark.parametrize("text", ["", "x", "-1", "\u0663", "999999999", "9" * 100])
def test_what_is_no_pipe_is_ignored(
    text: str, killed: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIFELINE, text)
    watch()
    assert all(one.name != "lifeline" for one in threading.enumerate())
    with Path(os.devnull).open("rb") as file:
        monkeypatch.setenv(LIFELINE, str(file.fileno()))
        watch()
    assert all(one.name != "lifeline" for one in threading.enumerate())
    assert killed == []
