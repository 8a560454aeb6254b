from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.registry.registry import Registry

if TYPE_CHECKING:
    from store import Store


@pytest.fixture
def registry(store: Store) -> Registry:
    return Registry(store)
