"""The user on whose behalf the store is changed."""

from __future__ import annotations

from store.model.actors import MAX_CHARACTERS, NOBODY, Actor


def test_known_facts_are_attributes_of_events() -> None:
    assert Actor("alice", "192.0.2.1").facts == {"user": "alice", "address": "192.0.2.1"}
    assert Actor("a" * 999).facts == {"user": "a" * MAX_CHARACTERS}
    assert NOBODY.facts == {}
