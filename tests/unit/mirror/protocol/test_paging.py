"""The page of a list that a client requests."""

from __future__ import annotations

import pytest

from mirror.protocol import paging
from mirror.protocol.errors import WireError
from mirror.protocol.paging import MAX_PAGE, Page


def test_page_is_parsed_and_cut() -> None:
    assert Page.parse({}) == Page(MAX_PAGE, "")
    assert Page.parse({"n": "99999", "last": "x"}) == Page(MAX_PAGE, "x")
    page = Page.parse({"n": "2"})
    assert page.fetch_limit == 3
    assert page.cut(["a", "b", "c"]) == (["a", "b"], "b")
    assert page.cut(["a", "b"]) == (["a", "b"], None)
    nothing = Page.parse({"n": "0"})
    assert (nothing.fetch_limit, nothing.cut([])) == (0, ([], None))
    for text in ("-1", "x", "1.5", "٣", "9" * 30):
        with pytest.raises(WireError) as caught:
            Page.parse({"n": text})
        assert (caught.value.status, caught.value.code) == (400, "PAGINATION_NUMBER_INVALID")


def test_a_list_without_pages_has_a_ceiling(monkeypatch: pytest.MonkeyPatch) -> None:
    tags = [f"v{number}" for number in range(8)]
    assert paging.cut_complete(tags) == (tags, None)
    assert paging.cut_complete([]) == ([], None)
    monkeypatch.setattr(paging, "MAX_COMPLETE", 5)
    assert paging.cut_complete(tags) == (tags[:5], "v4")
    assert paging.cut_complete(tags[:5]) == (tags[:5], None)
    monkeypatch.setattr(paging, "MAX_COMPLETE_BYTES", 17)
    assert paging.cut_complete(tags) == (tags[:3], "v2")
    assert paging.cut_complete(["x" * 100, "y"]) == (["x" * 100], "x" * 100)
