"""The file of access rules, and the errors that name the place of an invalid rule."""

from __future__ import annotations

import hashlib

import pytest

from mirror.access import (
    Action,
    read_rules,
)
from store.errors import InvalidInput
from store.model.references import Repository


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("rule = 1", "[[rule]]"),
        ("x = ", "TOML"),
        (f"x = {'[' * 5000}", "TOML"),
        ("[group]\na = []", "'group'"),
        ('[groups]\nall = ["x"]', "@all"),
        ("[groups]\na = [1]", "groups.a"),
        ('groups = "x"', "groups"),
        ('[tokens]\na = "plain"', "tokens.a"),
        (f'[tokens]\n\na = "sha256:{hashlib.sha256(b"test").hexdigest()}"', "tokens.a in line 3"),
        (f'[tokens]\n"@a" = "sha256:{hashlib.sha256(b"long").hexdigest()}"', "@a in line 2"),
        ('[groups]\na = ["bob",\n"@users"]', "groups.a in line 3"),
        ('[groups]\n"@users" = ["bob"]', "'@users'"),
        ('[certificates]\n"node" = "@builders"', "certificates.node in line 2"),
        ('[certificates]\n"node" = "a\\u0000b"', "certificates.node"),
        (
            '[[rule]]\nrepositories = ["**"]\nwho = ["all"]\nallow = ["read"]',
            "3, column 8: user",
        ),
        (
            '[[rule]]\nrepositories = ["**"]\nwho = ["*"]\nallow = ["read"]',
            "3, column 8: user",
        ),
        ("[certificates]\na = 1", "certificates.a"),
        ('[[rule]]\nrepositories = ["**"]\nwho = ["@nobody"]\nallow = ["read"]', "@nobody"),
        ('[[rule]]\nrepositories = ["**"]\nwho = ["x"]\nallow = ["rite"]', "rite"),
        ('[[rule]]\nrepositories = ["*"]\nwho = ["x"]\nallow = ["read"]', "rule 1"),
        ('[[rule]]\nrepositories = ["a//b"]\nwho = ["x"]\nallow = ["read"]', "a//b"),
        ('[[rule]]\nrepositories = ["a/x**"]\nwho = ["x"]\nallow = ["read"]', "x**"),
        (
            '# "t/["\n[[rule]]\nrepositories = ["**", "t/["]\nwho = ["x"]\nallow = ["read"]',
            "rule 1 in line 3, column 23: invalid pattern 't/['",
        ),
        (
            '[[rule]]\nrepositories = ["t/[\\\\"]\nwho = ["x"]\nallow = ["read"]',
            "rule 1 in line 2, column 17: invalid pattern",
        ),
        ('[[rule]]\nrepositories = ["**"]\nwho = []\nallow = ["read"]', "who"),
        ('[[rule]]\nrepositories = ["**"]\nwho = ["x"]\nallow = ["read"]\nalow = 1', "alow"),
    ],
)
def test_invalid_rules_are_refused_with_their_place(text: str, place: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_rules(text)
    assert place in refused.value.message


@pytest.mark.parametrize("user", ["@builders", "@users"])
def test_name_of_a_user_is_never_a_group(user: str) -> None:
    rules = read_rules(
        """
        [groups]
        builders = ["ci"]
        [[rule]]
        repositories = ["**"]
        who = ["@builders", "@users"]
        allow = ["read", "write", "delete"]
        """
    )
    assert not rules.allow(user, Action.READ, Repository.parse("team/app"))
    assert not rules.allow_everywhere(user, Action.DELETE)
    assert not rules.allow_somewhere(user, Action.WRITE)
