"""Fixtures of the interop tests: one Docker Engine for all tests, and an empty store.

The tests share the engine, because most tests take less time than the start of an engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.engine import Engine, require
from tests.support.storectl_adapter import Storectl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Start a Docker Engine 20.10 that holds only the images of these tests."""
    require("dockerd", "containerd")
    with Engine(tmp_path_factory.mktemp("engine")) as engine:
        yield engine


@pytest.fixture
def storectl(tmp_path: Path) -> Iterator[Storectl]:
    """Open an empty store."""
    with Storectl(tmp_path / "storectl") as opened:
        yield opened
