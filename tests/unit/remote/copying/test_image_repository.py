"""The repositories that images are copied from have the same methods."""

from __future__ import annotations

import inspect

import pytest

from remote.copying.image_repository import ImageRepository
from remote.copying.tree_repository import TreeRepository
from remote.registry.repository import Repository


@pytest.mark.parametrize("kind", [Repository, TreeRepository])
def test_a_repository_has_every_method_of_the_protocol(kind: type) -> None:
    wanted = [name for name, one in vars(ImageRepository).items() if inspect.isfunction(one)]
    methods = [name for name in wanted if not name.startswith("_")]
    assert methods
    for name in methods:
        stated = inspect.signature(getattr(ImageRepository, name)).parameters
        assert list(inspect.signature(getattr(kind, name)).parameters)[: len(stated)] == list(
            stated
        )
