"""Fixtures of the transfer tests."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from mirror.transfer import pools

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.mirror_in_process import InProcessMirror


@pytest.fixture(params=["threads", "turns"])
def ask(
    request: pytest.FixtureRequest,
    serve: Callable[..., InProcessMirror],
    monkeypatch: pytest.MonkeyPatch,
) -> InProcessMirror:
    """The application, with a thread for every file and with none."""
    if request.param == "turns":
        monkeypatch.setattr(pools, "SENDFILE_THREADS", 0)
    return serve()


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the threads that send files."""
    names: list[str] = []
    sendfile = os.sendfile

    def recorded(*arguments: int) -> int:
        names.append(threading.current_thread().name.partition("_")[0])
        return sendfile(*arguments)

    monkeypatch.setattr(os, "sendfile", recorded)
    return names
