"""The names that users may have."""

from __future__ import annotations

import pytest

from mirror.access.user_names import check_user_name
from store.errors import InvalidInput


@pytest.mark.parametrize(
    "name", ["alice", "ci-build", "node-7.example.com", "jörg", "a@b.c", "a/b"]
)
def test_ordinary_name_is_returned_unchanged(name: str) -> None:
    assert check_user_name(name, "here") == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        "@builders",
        "@all",
        "all",
        "Users",
        "*",
        "team-*",
        "a:b",
        "a b",
        "a\tb",
        "a\u00a0b",
        "a\x1b[2Jb",
        "a\u202eb",
        "a\nb",
        "x" * 256,
    ],
)
def test_name_that_could_be_read_as_something_else_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        check_user_name(name, "htpasswd line 3")
    assert refused.value.message.startswith("invalid htpasswd line 3: user name ")
    assert refused.value.message.isprintable()
    assert len(refused.value.message) < 1000
