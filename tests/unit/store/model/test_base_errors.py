from __future__ import annotations

import pytest

from store.errors import StorageFull, TruncatedInput
from store.model.base_errors import StoreError, is_text, printable
from store.model.remedies import Remedy


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("café 图", "café 图"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\u202egnp", "\\u202egnp"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_nothing_that_a_terminal_could_obey_is_printed(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_hint_of_its_own_replaces_the_hint_of_the_class() -> None:
    assert TruncatedInput("x").hint == TruncatedInput.usual_hint
    assert TruncatedInput("x", hint="try again").hint == "try again"
    assert StorageFull("x").hint is None


def test_a_remedy_replaces_the_hint_of_the_class_but_not_a_hint_of_its_own() -> None:
    assert TruncatedInput("x", remedy=Remedy.LIST_IMAGES).hint is None
    both = StoreError("x", hint="import it again", remedy=Remedy.CHECK_STORE)
    assert (both.hint, both.remedy) == ("import it again", Remedy.CHECK_STORE)


def test_bytes_beyond_utf8_are_no_text() -> None:
    assert is_text("größe/\U0001f600")
    assert not is_text("a\udcff")
