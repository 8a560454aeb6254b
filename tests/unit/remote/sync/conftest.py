"""Fixtures: a registry that can fail, and pulls from it into a new store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.pulls import Pulls, Upstream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from store import Store


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Upstream]:
    with Upstream(tmp_path) as running:
        yield running


@pytest.fixture
def pulls(store: Store) -> Iterator[Pulls]:
    with Pulls(store) as running:
        yield running
