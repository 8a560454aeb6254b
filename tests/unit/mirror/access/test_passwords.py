"""Passwords in an htpasswd file, and the check of a caller's password."""

from __future__ import annotations

import time

import bcrypt
import pytest

from mirror.access import (
    passwords,
    read_htpasswd,
)
from store.errors import InvalidInput


@pytest.mark.parametrize(
    "line",
    [
        "alice",
        ":hash",
        "alice:{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ=",
        "alice:$apr1$x$y",
        "alice:$2b$04$short",
        "alice:$2b$31$" + "a" * 53,
        "alice:$2b$04$" + "!" * 53,
    ],
)
def test_htpasswd_line_without_a_bcrypt_hash_is_refused(line: str) -> None:
    with pytest.raises(InvalidInput):
        read_htpasswd(line)


def test_unknown_user_is_compared_with_a_known_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    """Check the compared hashes instead of the time taken, because measured times vary."""
    seen: list[bytes] = []

    def checkpw(_password: bytes, hashed: bytes) -> bool:
        seen.append(hashed)
        return True

    monkeypatch.setattr(bcrypt, "checkpw", checkpw)
    known = {"alice": b"$2b$12$alice", "bob": b"$2b$12$bob"}
    assert not passwords.matches(known, "mallory", b"x", b"key")
    assert not passwords.matches(known, "mallory", b"x", b"key")
    assert seen[0] == seen[1]
    assert seen[0] in known.values()
    assert not passwords.matches({}, "mallory", b"x", b"key")
    assert len(seen) == 3


def test_hash_of_the_unknown_user_is_not_that_of_an_empty_password() -> None:
    assert not bcrypt.checkpw(b"", passwords._UNKNOWN_USER_HASH)


def test_comparison_for_an_unknown_user_is_slow_too() -> None:
    started = time.perf_counter()
    passwords.matches({}, "nobody", b"x", b"key")
    assert time.perf_counter() - started > 0.005
