"""Lists of upstream tags; the newest ones stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.catalog.upstream import tag_lists
from store.catalog.upstream.tag_lists import TagList
from store.model.references import Repository
from tests.conftest import NOW

if TYPE_CHECKING:
    from store import Store

APPS = tuple(Repository("docker.io", f"team/app-{number}") for number in range(4))


def test_a_list_takes_the_place_of_the_former_one(store: Store) -> None:
    with store.write() as connection:
        assert tag_lists.get(connection, APPS[0]) is None
        for tags in (("1",), ("1", "2.0_b-c")):
            tag_lists.put(connection, APPS[0], TagList(tags, NOW))
            assert tag_lists.get(connection, APPS[0]) == TagList(tags, NOW)
        assert tag_lists.get(connection, APPS[1]) is None
        tag_lists.remove(connection, APPS[0])
        assert tag_lists.get(connection, APPS[0]) is None


@pytest.mark.parametrize(("most", "max_bytes", "stay"), [(2, 999, 2), (9, 10, 3), (9, 999, 4)])
def test_the_lists_that_were_sent_last_stay(
    store: Store, most: int, max_bytes: int, stay: int
) -> None:
    with store.write() as connection:
        for app in (APPS[3], *APPS[:3], APPS[3]):
            number = tag_lists.put(connection, app, TagList(("1", "2"), NOW))
        tag_lists.prune(connection, number, most=most, max_bytes=max_bytes)
        kept = [app for app in APPS if tag_lists.get(connection, app) is not None]
    assert kept == list(APPS[-stay:])
