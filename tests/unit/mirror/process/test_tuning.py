"""The settings of a server's processes."""

from __future__ import annotations

import os
import resource
import sys
from typing import TYPE_CHECKING

import pytest

from mirror.process.tuning import TURN_S, tune_process

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _same_process_afterwards() -> Iterator[None]:
    limits, turn = resource.getrlimit(resource.RLIMIT_NOFILE), sys.getswitchinterval()
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    sys.setswitchinterval(turn)


def test_every_descriptor_that_the_system_allows_may_be_used() -> None:
    maximum = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, maximum), maximum))
    tune_process()
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == maximum


def test_a_forked_worker_gives_threads_short_turns() -> None:
    tune_process()
    pid = os.fork()
    if not pid:
        os._exit(0 if sys.getswitchinterval() == pytest.approx(TURN_S) else 1)
    assert os.waitpid(pid, 0)[1] == 0
