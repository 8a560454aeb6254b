"""Name patterns of Go's ``path.Match``."""

from __future__ import annotations

import pytest

from store.errors import InvalidReference
from store.formats.golang.path_match import compile_pattern, literal_start


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    # The cases are from the table in Go's path/match_test.go.
    [
        ("abc", "abc", True),
        ("*", "abc", True),
        ("*c", "abc", True),
        ("a*", "a", True),
        ("a*", "ab/c", False),
        ("a*/b", "abc/b", True),
        ("a*/b", "a/c/b", False),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/f", True),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/xxx/f", False),
        ("a**c", "abbc", True),
        ("ab[c]", "abc", True),
        ("ab[b-d]", "abc", True),
        ("ab[e-g]", "abc", False),
        ("ab[^e-g]", "abc", True),
        ("ab[^b-d]", "abc", False),
        ("a\\*b", "a*b", True),
        ("a\\*b", "ab", False),
        ("a?b", "a☺b", True),
        ("a[^a]b", "a☺b", True),
        ("a???b", "a☺b", False),
        ("[a-ζ]*", "β", True),
        ("*[a-ζ]", "A", False),
        ("a?b", "a/b", False),
        ("a*b", "a/b", False),
        ("[\\]a]", "]", True),
        ("[\\-x]", "-", True),
        ("[x\\-]", "z", False),
        ("[z-a]", "b", False),
        ("[^z-a]", "b", True),
        ("a[^x]b", "a/b", True),
        ("a+b.c", "a+b.c", True),
        ("a+b.c", "aab-c", False),
    ],
)
def test_patterns_match_as_in_go(pattern: str, text: str, *, matches: bool) -> None:
    assert (compile_pattern(pattern).fullmatch(text) is not None) is matches


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("**", "a", True),
        ("**", "a/b/c", True),
        ("**", "", False),
        ("team/**", "team/a", True),
        ("team/**", "team/a/b:1", True),
        ("team/**", "team", False),
        ("team/**", "teams/a", False),
        ("**/app", "app", False),
        ("**/app", "x/y/app", True),
        ("**/app:*", "x/app/b/app:1", True),
        ("a/**/c", "a/c", False),
        ("a/**/c", "a/b/c/c", True),
        ("**/[^x]/b", "a/y/b", True),
        ("**/a[^x]b/c", "a/b/c", False),
        ("**/a[z-a]/c", "x/ab/c", False),
        ("**/a[^z-a]/c", "x/ab/c", True),
        ("**/a?/c", "x/ab/c", True),
        ("**/\\*", "x/*", True),
        ("a/b**", "a/bc/d", False),
    ],
)
def test_two_stars_match_parts(pattern: str, text: str, *, matches: bool) -> None:
    assert (compile_pattern(pattern).fullmatch(text) is not None) is matches


@pytest.mark.parametrize(
    "pattern",
    [
        "**/[a",
        "[a/b]/**",
        "**/a\\",
        "[]a]",
        "[-]",
        "[x-]",
        "[-x]",
        "[a-b-c]",
        "[",
        "[^",
        "[^bc",
        "a[",
        "a\\",
        "[a-",
    ],
)
def test_patterns_that_go_refuses_are_refused(pattern: str) -> None:
    with pytest.raises(InvalidReference) as refused:
        compile_pattern(pattern)
    assert refused.value.text == pattern


@pytest.mark.parametrize(
    ("pattern", "start"),
    [("abc", "abc"), ("a*c", "a"), ("ab?", "ab"), ("x/[ab]", "x/"), ("a\\*b", "a"), ("*", "")],
)
def test_the_literal_start_ends_at_the_first_special_character(pattern: str, start: str) -> None:
    assert literal_start(pattern) == start


def test_a_pattern_with_bytes_beyond_utf8_is_refused() -> None:
    with pytest.raises(InvalidReference, match="is not UTF-8 text"):
        compile_pattern("a\udcff*")
