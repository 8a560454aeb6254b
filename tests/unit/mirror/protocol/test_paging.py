"""The page of a list that a client requests."""

from __future__ import annotations

import pytest

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
