"""Fixtures: a mirror that sends files, and a record of the threads that send them."""

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
    """Start a mirror that sends files in threads, and for a second run one that uses no threads."""
    if request.param == "turns":
        monkeypatch.setattr(pools, "SENDFILE_THREADS", 0)
    return serve()


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list in which each call of ``os.sendfile`` records the name of its thread."""
    names: list[str] = []
    sendfile = os.sendfile

    def recorded(*arguments: int) -> int:
        names.append(threading.current_thread().name.partition("_")[0])
        return sendfile(*arguments)

    monkeypatch.setattr(os, "sendfile", recorded)
    return names
