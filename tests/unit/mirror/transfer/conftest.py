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
    """Start the application, once with threads for sending files and once without."""
    if request.param == "turns":
        monkeypatch.setattr(pools, "SENDFILE_THREADS", 0)
    return serve()


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the names of the threads that send files."""
    names: list[str] = []
    sendfile = os.sendfile

    def recorded(*arguments: int) -> int:
        names.append(threading.current_thread().name.partition("_")[0])
        return sendfile(*arguments)

    monkeypatch.setattr(os, "sendfile", recorded)
    return names
