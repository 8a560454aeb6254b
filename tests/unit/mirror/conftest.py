from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
import uvloop

from mirror.service import MirrorSettings
from tests.support.mirror_in_process import InProcessMirror

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from store import Store


@pytest.fixture(params=["uvloop", "asyncio"])
def loop_factory(request: pytest.FixtureRequest) -> Callable[[], asyncio.AbstractEventLoop]:
    return uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop


@pytest.fixture
def serve(store: Store) -> Iterator[Callable[..., InProcessMirror]]:
    """Yield a function that starts a mirror of the test's store with the given settings."""
    running: list[InProcessMirror] = []

    def start(
        settings: MirrorSettings | None = None,
        loop_factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop,
    ) -> InProcessMirror:
        running.append(InProcessMirror(store, settings or MirrorSettings(), loop_factory))
        return running[-1]

    yield start
    for one in running:
        one.__exit__()


@pytest.fixture
def ask(serve: Callable[..., InProcessMirror]) -> InProcessMirror:
    """Start a mirror with default settings; return a function that sends requests to the mirror."""
    return serve()
