"""A registry's files with one index, its referrers, and an image without a tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.registry_trees import RegistryFiles

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def files(tmp_path: Path) -> RegistryFiles:
    return RegistryFiles(tmp_path / "registry")
