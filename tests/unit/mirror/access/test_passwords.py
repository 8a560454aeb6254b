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
from store.model.remedies import Remedy


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


@pytest.mark.parametrize(
    ("hashed", "kind"),
    [
        ("$apr1$x$y", "an MD5 hash"),
        ("{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ=", "a SHA-1 hash"),
        ("$6$x$y", "a SHA-512 hash"),
        ("$2y$05$short", "an incomplete one"),
        (" $2y$05$" + "a" * 53, "a space and a hash"),
        ("hunter2", "plain text or an unknown hash"),
    ],
)
def test_the_kind_of_another_hash_is_named_without_the_secret(hashed: str, kind: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_htpasswd(f"alice:{hashed}")
    assert f"line 1: expected a bcrypt hash for 'alice', not {kind}" in refused.value.message
    assert hashed not in refused.value.message
    assert refused.value.remedy is Remedy.ADD_USER


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


@pytest.mark.parametrize("name", ["@builders", "all", "*", "a b", "a\x1bb"])
def test_name_that_could_be_a_group_is_refused_with_its_line(name: str) -> None:
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(rounds=4)).decode()
    with pytest.raises(InvalidInput) as refused:
        read_htpasswd(f"# users\nalice:{hashed}\n{name}:{hashed}\n")
    assert "htpasswd line 3" in refused.value.message


def test_password_that_bcrypt_would_cut_off_is_never_correct() -> None:
    known = {"alice": bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(rounds=4))}
    assert passwords.matches(known, "alice", b"x" * 72, b"key")
    assert not passwords.matches(known, "alice", b"x" * 73, b"key")


def test_hash_of_the_unknown_user_is_not_that_of_an_empty_password() -> None:
    assert not bcrypt.checkpw(b"", passwords._UNKNOWN_USER_HASH)


def test_comparison_for_an_unknown_user_is_slow_too() -> None:
    started = time.perf_counter()
    passwords.matches({}, "nobody", b"x", b"key")
    assert time.perf_counter() - started > 0.005
