"""Regular expressions: the texts that Python's match, in linear time."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remote.sync.filters.regex import Regex

ATOMS = st.sampled_from(["a", "b", "1", ".", "[ab]", "[^a]", r"\d", r"\W", "^", "$", "[a-c1]", ""])


def _larger(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    ends = st.sampled_from(["*", "+", "?", "*?", "{2}", "{1,3}", "{0,2}", "{2,}", "{0}", "{0,}"])
    return st.one_of(
        st.tuples(parts, parts).map("".join),
        st.tuples(parts, parts).map(lambda two: f"(?:{two[0]}|{two[1]})"),
        st.tuples(parts, ends).map(lambda two: f"({two[0]}){two[1]}"),
    )


@settings(max_examples=300, deadline=None)
@given(
    st.recursive(ATOMS, _larger, max_leaves=8), st.lists(st.text("ab1-", max_size=6), max_size=8)
)
def test_the_same_texts_match_as_in_python(pattern: str, texts: list[str]) -> None:
    # In Python, `$` also matches before a newline at the end, and texts here have none.
    mine, theirs = Regex(pattern), re.compile(pattern)
    for text in texts:
        assert mine.search(text) == bool(theirs.search(text)), text
        assert mine.fullmatch(text) == bool(theirs.fullmatch(text)), text


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        (r"^v\d+\.\d+$", "v1.20", "v1.2.3"),
        (r"(?i)^ALPINE", "alpine-3", "x-alpine"),
        (r"^(?P<major>\d+)-[^-]+$", "1-a", "1-a-b"),
        (r"\A1\.13\.[12]-alpine-perl\z", "1.13.2-alpine-perl", "1.13.3-alpine-perl"),
        (r"^[\w.-]{1,4}$", "a.b-", "a.b-c"),
        (r"^[]a-]+$", "]a-", "b"),
        (r"x{,2}", "x{,2}", "xx"),
        (r"^\.", ".a", "a."),
    ],
)
def test_patterns_of_go_match(pattern: str, yes: str, no: str) -> None:
    assert Regex(pattern).search(yes)
    assert not Regex(pattern).search(no)


@pytest.mark.parametrize(
    "pattern",
    [
        *("(", ")", "[", "[a", "*a", "a**", "a{3}{2}", r"\1", r"(?=a)", r"(?<!a)b", r"(?s:a)"),
        *("\\", r"\pL", "[b-a]", "[[:alpha:]]", "a{1001}", "a{2,1}", "(?P<n", r"[\W]", "(" * 60),
        *("((a{100}){100}){100}", "a" * 1001),
    ],
)
def test_other_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Regex(pattern)


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(a|a)*b", "(a*)*b", "(.*)(.*)(.*)x", "(a{1,20}){1,20}b"]
)
def test_every_character_is_read_once(pattern: str) -> None:
    regex = Regex(pattern)
    # A matcher that tries every way would not end.
    assert not regex.search("a" * 5000 + "!")
    assert len(regex._next) < 2000
