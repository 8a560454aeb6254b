from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.errors import RepositoryNotFound
from store.model.references import Repository
from store.registry.repositories import repository_of, require_repository
from tests.support.registry_pushes import APP, OTHER, push_blob

if TYPE_CHECKING:
    from store import Store
    from store.registry.registry import Registry


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("docker.io/library/busybox", Repository("docker.io", "library/busybox")),
        ("localhost:5000/a", Repository("localhost:5000", "a")),
        ("_/by-id", Repository("_", "by-id")),
    ],
)
def test_the_first_part_of_a_name_is_the_registry(name: str, want: Repository) -> None:
    assert repository_of(name) == want
    assert str(repository_of(name)) == name


def test_a_repository_exists_once_it_holds_something(store: Store, registry: Registry) -> None:
    push_blob(registry, b"data")
    with store.read() as connection:
        assert require_repository(connection, APP) > 0
        with pytest.raises(RepositoryNotFound, match="team/other"):
            require_repository(connection, OTHER)
