"""A number of requests, or a part."""

from __future__ import annotations

import click
import pytest

from remote.http.budgets import DEFAULT_RESERVE, Reserve
from storectl.commands._requests import Requests


@pytest.mark.parametrize(
    ("text", "found"), [("20", Reserve(20)), ("0", Reserve(0)), ("10%", DEFAULT_RESERVE)]
)
def test_numbers_and_parts(text: str, found: Reserve) -> None:
    assert Requests().convert(text, None, None) == found
    assert Requests().convert(found, None, None) is found


@pytest.mark.parametrize("text", ["", "-1", "101%", "1.5", "%", "1" * 10, "ten"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="expected a number of requests"):
        Requests().convert(text, None, None)
