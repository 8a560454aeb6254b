"""The order and the pages of the catalog."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mirror.protocol.catalog import Catalog
from store.formats.distribution.names import Names
from store.model.references import Repository

if TYPE_CHECKING:
    from collections.abc import Iterable


class Index:
    """A list of repositories in memory that counts the queries."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = sorted(names)
        self.calls = 0

    def repositories(
        self, *, after: str, limit: int, domain: str | None = None, outside: str | None = None
    ) -> list[Repository]:
        self.calls += 1
        found = [Repository(*name.split("/", 1)) for name in self._names if name > after]
        return [
            one
            for one in found
            if (domain is None or one.domain == domain)
            and (outside is None or one.domain != outside)
        ][:limit]


NAMES = (
    "a.b/c",
    "docker.io/a.b/c",
    "docker.io/library/x",
    "docker.io/localhost/x",
    "localhost/x",
    "quay.io/team/app",
)
ORDER = ["a.b/c", "docker.io/a.b/c", "library/x", "localhost/x", "docker.io/localhost/x"]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_of_any_size_list_every_name_once(limit: int) -> None:
    catalog = Catalog(Names(), Index(NAMES))
    found: list[str] = []
    while page := catalog.page(after=found[-1] if found else "", limit=limit):
        assert len(page) <= limit
        found += page
    assert found == [*ORDER, "quay.io/team/app"]


def test_default_registry_is_left_out_of_its_names() -> None:
    catalog = Catalog(Names("quay.io"), Index(NAMES))
    page = catalog.page(after="", limit=100)
    assert "team/app" in page
    assert "docker.io/library/x" in page


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_registries_with_a_port_are_listed_by_their_alias(limit: int) -> None:
    catalog = Catalog(Names(), Index(("a.b:5000/c", "a.bc/c", "host:80/c")))
    found: list[str] = []
    while page := catalog.page(after=found[-1] if found else "", limit=limit):
        found += page
    assert found == ["a.b_5000/c", "a.bc/c", "host_80.registry/c"]


def test_only_visible_names_fill_a_page() -> None:
    names = [f"quay.io/team/{number:04}" for number in range(2500)]
    index = Index(names)
    page = Catalog(Names(), index).page(
        after="", limit=2, is_visible=lambda one: one.path.endswith("99")
    )
    assert page == ["quay.io/team/0099", "quay.io/team/0199"]
    # A query fetches a thousand names, so that few visible names need few queries.
    assert index.calls == 2


def test_search_for_visible_names_ends_with_the_index() -> None:
    catalog = Catalog(Names(), Index(NAMES))
    assert catalog.page(after="", limit=5, is_visible=lambda _: False) == []
    assert catalog.page(after="", limit=0) == []
