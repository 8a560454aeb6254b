"""Links to the next page of a list."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from store.formats.distribution.paging import next_link, next_target


def test_link_is_encoded() -> None:
    assert (
        next_link("/v2/a b/tags/list", {"last": "x&y"})
        == '</v2/a%20b/tags/list?last=x%26y>; rel="next"'
    )


@pytest.mark.parametrize("last", ["1.0", "a&b=c", "ä> ;", "x" * 128])
def test_target_of_a_written_link_leads_to_the_same_page(last: str) -> None:
    target = next_target(next_link("/v2/a b/tags/list", {"n": "2", "last": last}))
    assert target is not None
    parts = urlsplit(target)
    assert unquote(parts.path) == "/v2/a b/tags/list"
    assert parse_qs(parts.query) == {"n": ["2"], "last": [last]}


@pytest.mark.parametrize(
    ("link", "target"),
    [
        ("</v2/_catalog?last=x>; rel=next", "/v2/_catalog?last=x"),
        ('<https://r.example/v2/x>;rel="next"', "https://r.example/v2/x"),
        ('</first>; rel="first", </second>; title="a, b"; rel="next"', "/second"),
        ('</x>; rel="prev next"', "/x"),
        ('</x>; REL="NEXT"', "/x"),
        ('</x>; rel="nextpage"', None),
        ('</x>; rel="prev"', None),
        ("</x>", None),
        ('/x; rel="next"', None),
        ("", None),
    ],
)
def test_next_link_of_other_servers_is_found(link: str, target: str | None) -> None:
    assert next_target(link) == target
