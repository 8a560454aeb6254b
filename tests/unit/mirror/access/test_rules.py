"""The file of access rules, and the errors that name the place of an invalid rule."""

from __future__ import annotations

import pytest

from mirror.access import (
    read_rules,
)
from store.errors import InvalidInput


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
        ("[certificates]\na = 1", "certificates.a"),
        ('[[rule]]\nrepositories = ["**"]\nwho = ["@nobody"]\nallow = ["read"]', "@nobody"),
        ('[[rule]]\nrepositories = ["**"]\nwho = ["x"]\nallow = ["rite"]', "rite"),
        ('[[rule]]\nrepositories = ["*"]\nwho = ["x"]\nallow = ["read"]', "rule 1"),
        ('[[rule]]\nrepositories = ["a//b"]\nwho = ["x"]\nallow = ["read"]', "a//b"),
        ('[[rule]]\nrepositories = ["a/x**"]\nwho = ["x"]\nallow = ["read"]', "x**"),
        ('[[rule]]\nrepositories = ["**"]\nwho = []\nallow = ["read"]', "who"),
        ('[[rule]]\nrepositories = ["**"]\nwho = ["x"]\nallow = ["read"]\nalow = 1', "alow"),
    ],
)
def test_invalid_rules_are_refused_with_their_place(text: str, place: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_rules(text)
    assert place in refused.value.message
