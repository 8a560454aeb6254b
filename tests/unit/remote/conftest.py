"""A real registry for the tests of a module, and a proxy with faults in front of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import uvloop

from mirror.service import MirrorSettings
from store import Store
from tests.support.faulty_registry import FaultyRegistry
from tests.support.mirror_in_process import InProcessMirror

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcessMirror]:
    root = tmp_path_factory.mktemp("upstream") / "store"
    with (
        Store.open(root, create=True) as store,
        InProcessMirror(store, MirrorSettings(), uvloop.new_event_loop) as mirror,
    ):
        yield mirror


@pytest.fixture
def faulty(upstream: InProcessMirror) -> Iterator[FaultyRegistry]:
    with FaultyRegistry(upstream.port) as registry:
        yield registry


@pytest.fixture
def scripted() -> Iterator[FaultyRegistry]:
    """Start a server without a registry behind it: tests give every answer."""
    with FaultyRegistry() as registry:
        yield registry
