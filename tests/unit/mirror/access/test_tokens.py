"""Signed tokens."""

from __future__ import annotations

from mirror.access.tokens import Signer
from tests.support.clocks import StillClock


def test_token_of_the_far_future_is_invalid() -> None:
    clock = StillClock()
    token = Signer(b"key", lambda: clock.now + 3600).sign("alice", b"mark")
    assert Signer(b"key", clock).read(token, lambda _user: b"mark") == (False, None)
