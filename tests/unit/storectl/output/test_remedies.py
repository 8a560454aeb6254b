"""The command line has a hint for every remedy that an error can name."""

from __future__ import annotations

import pytest

from store import errors
from store.model.remedies import Note, Remedy
from storectl.output.remedies import WORDS, hints, note_lines


def test_every_remedy_has_words_and_every_entry_has_a_remedy() -> None:
    assert WORDS.keys() == set(Remedy)


@pytest.mark.parametrize("remedy", Remedy)
def test_words_are_a_sentence_that_no_other_remedy_has(remedy: Remedy) -> None:
    words = WORDS[remedy]
    assert words
    assert not words.endswith(".")
    assert list(WORDS.values()).count(words) == 1


def test_the_words_of_a_remedy_follow_the_hint_of_an_error() -> None:
    error = errors.StorageFull("full", hint="free some space", remedy=Remedy.COLLECT_GARBAGE)
    assert hints(error) == ("free some space", WORDS[Remedy.COLLECT_GARBAGE])


def test_an_error_with_a_remedy_drops_the_usual_hint_of_its_class() -> None:
    assert hints(errors.TooLarge("large", limit=1)) == (errors.TooLarge.usual_hint,)
    error = errors.TooLarge("large", limit=1, remedy=Remedy.RAISE_LAYER_LIMIT)
    assert hints(error) == (WORDS[Remedy.RAISE_LAYER_LIMIT],)


def test_an_error_without_advice_has_no_hints() -> None:
    assert hints(errors.NotFound("gone")) == ()


def test_notes_that_share_a_remedy_are_followed_by_one_hint() -> None:
    notes = ("plain", Note("a", Remedy.SAVE_AS_OCI), Note("b", Remedy.SAVE_AS_OCI), Note("c"))
    assert list(note_lines(notes)) == [
        "note: plain",
        "note: a",
        "note: b",
        "note: c",
        f"hint: {WORDS[Remedy.SAVE_AS_OCI]}",
    ]
