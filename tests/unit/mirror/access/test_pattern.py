"""Patterns of repository names: one dialect with filters, and completion to full names."""

from __future__ import annotations

import pytest

from mirror.access.pattern import MAX_CHARACTERS, Pattern
from store.errors import InvalidInput
from store.formats.golang.path_match import compile_pattern


@pytest.mark.parametrize("pattern", ["a.example:5000/team/*", "a.example_5000/team/*"])
def test_registry_with_a_port_may_be_written_by_its_alias(pattern: str) -> None:
    assert Pattern.parse(pattern).matches("a.example:5000/team/app")


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("app", "docker.io/library/app", True),
        ("team/*", "docker.io/team/app", True),
        ("team/*", "docker.io/team/app/web", False),
        ("team/**", "docker.io/team/app/web", True),
        ("team/**", "docker.io/team", False),
        ("my_team/*", "docker.io/my_team/app", True),
        ("team/v?", "docker.io/team/v1", True),
        ("team/v?", "docker.io/team/v10", False),
        ("team/app-[0-9]", "docker.io/team/app-7", True),
        ("team/app-[0-9]", "docker.io/team/app-x", False),
        ("team/app-[^0-9]", "docker.io/team/app-x", True),
        ("team-[ab]/**", "docker.io/team-b/x/y", True),
        ("[a-c]pp", "docker.io/library/app", True),
        ("quay.io/t\\eam/*", "quay.io/team/app", True),
        ("quay.io/team/\\*", "quay.io/team/app", False),
        ("?uay.io/**", "quay.io/team/app", True),
    ],
)
def test_patterns_have_the_dialect_of_filters(pattern: str, name: str, *, matches: bool) -> None:
    assert Pattern.parse(pattern).matches(name) is matches
    if pattern.startswith(("quay", "?")):
        assert (compile_pattern(pattern).fullmatch(name) is not None) is matches


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("", "''"),
        ("a//b", "'a//b'"),
        ("/a", "'/a'"),
        ("a b", "'a b'"),
        ("-a", "'-a'"),
        ("*", "official images only"),
        ("a/x**", "** has to be a whole part"),
        ("a/***", "** has to be a whole part"),
        ("team/[a", "a bracket is not closed"),
        ("team/[a/b]", "a bracket is not closed"),
        ("team/[]", "a bracket is not closed"),
        ("team/a\\", "nothing follows a backslash"),
        ("a" * (MAX_CHARACTERS + 1), f"{MAX_CHARACTERS + 1} characters"),
    ],
)
def test_invalid_patterns_are_refused_with_the_reason(text: str, fact: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        Pattern.parse(text)
    assert "invalid pattern" in refused.value.message
    assert fact in refused.value.message
    assert refused.value.hint
