"""Surveys and deliveries add up what is missing and what was sent."""

from __future__ import annotations

from remote.pushing.report import Delivered, NoListener, Outcome, Survey
from store.model.digests import Descriptor, Digest

SMALL = Descriptor("text/plain", Digest.of(b"a"), 1)
LARGE = Descriptor("text/plain", Digest.of(b"bb"), 2)


def test_a_repository_that_lacks_nothing_is_complete() -> None:
    assert Survey((), (SMALL,), frozenset(), ()).is_complete
    assert not Survey((SMALL,), (), frozenset(), ()).is_complete
    assert not Survey((), (), frozenset({SMALL.digest}), ()).is_complete
    assert not Survey((), (), frozenset(), ("1",)).is_complete


def test_bytes_are_added_up() -> None:
    assert Survey((SMALL, LARGE), (), frozenset(), ()).missing_bytes == 3
    assert Delivered(sent=[SMALL, LARGE]).sent_bytes == 3


def test_outcomes_are_words_for_machines() -> None:
    assert [str(one) for one in Outcome] == ["held", "mounted", "sent"]
    NoListener().blob(SMALL, Outcome.SENT)
