"""The peers: one engine for all tests of a run, for starting one takes longer than most of them."""

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
    """A Docker Engine 20.10 that has nothing but what these tests give it."""
    require("dockerd", "containerd")
    with Engine(tmp_path_factory.mktemp("engine")) as engine:
        yield engine


@pytest.fixture
def storectl(tmp_path: Path) -> Iterator[Storectl]:
    """An empty store."""
    with Storectl(tmp_path / "storectl") as opened:
        yield opened
