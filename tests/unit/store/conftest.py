from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.formats.compression.settings import Compression
from store.importing.staging import Stager
from store.importing.workers import Pool
from store.model.limits import DEFAULT_LIMITS
from store.registry.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store import Store
    from store.workspace.operations import Operation


@pytest.fixture
def registry(store: Store) -> Registry:
    return Registry(store)


@pytest.fixture
def operation(store: Store) -> Iterator[Operation]:
    with store.operation("import") as running:
        yield running


@pytest.fixture
def pool() -> Iterator[Pool]:
    with Pool(2) as opened:
        yield opened


@pytest.fixture
def stager(operation: Operation, pool: Pool) -> Stager:
    """Return a stager that writes to the folder of the operation."""
    return Stager(operation, pool, Compression(), DEFAULT_LIMITS)
