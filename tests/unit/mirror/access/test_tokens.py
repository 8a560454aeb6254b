"""Signed tokens: their creation and their check."""

from __future__ import annotations

import pytest

from mirror.access.tokens import LIFETIME_S, Signer
from tests.support.clocks import StillClock


def test_token_proves_its_user_until_it_expires() -> None:
    clock = StillClock()
    signer = Signer(b"key", clock)
    token = signer.sign("alice", b"mark")
    clock.now += LIFETIME_S - 1
    assert signer.read(token, lambda _user: b"mark") == (True, "alice")
    clock.now += 1
    assert signer.read(token, lambda _user: b"mark") == (False, None)


def test_anonymous_token_is_valid_without_a_user() -> None:
    signer = Signer(b"key", StillClock())
    assert signer.read(signer.sign(None, b"mark"), lambda _user: b"mark") == (True, None)


@pytest.mark.parametrize("current", [b"new", None], ids=["changed", "removed"])
def test_token_of_a_changed_or_removed_user_is_invalid(current: bytes | None) -> None:
    signer = Signer(b"key", StillClock())
    token = signer.sign("alice", b"old")
    assert signer.read(token, lambda _user: current) == (False, None)


def test_token_of_another_key_is_invalid() -> None:
    clock = StillClock()
    token = Signer(b"another key", clock).sign("alice", b"mark")
    assert Signer(b"key", clock).read(token, lambda _user: b"mark") == (False, None)


def test_token_of_the_far_future_is_invalid() -> None:
    clock = StillClock()
    token = Signer(b"key", lambda: clock.now + 3600).sign("alice", b"mark")
    assert Signer(b"key", clock).read(token, lambda _user: b"mark") == (False, None)
