"""Permanent tokens that can be guessed."""

from __future__ import annotations

import hashlib
import secrets

import pytest

from mirror.access.weak_tokens import weak_hash, weak_token


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "text", ["test", "secret", "changeme", "", "token\n", "Password1", "TOKEN"]
)
def test_word_is_refused_by_its_hash(text: str) -> None:
    assert weak_hash("ci", _hashed(text))


@pytest.mark.parametrize("text", ["node-7", "node-7-token", "NODE-7", "node-7123", "node-7\n"])
def test_token_derived_from_its_user_is_refused(text: str) -> None:
    assert weak_hash("node-7", _hashed(text))
    assert not weak_hash("other", _hashed(text))


@pytest.mark.parametrize("value", ["0" * 64, "ab" * 32, "0123456789abcdef" * 4])
def test_value_that_is_a_sample_is_refused(value: str) -> None:
    assert weak_hash("ci", value)


def test_random_tokens_are_accepted() -> None:
    for make in (secrets.token_hex, secrets.token_urlsafe):
        for size in (10, 16, 32):
            token = make(size if make is secrets.token_hex else max(size, 15))
            assert not weak_token(token.encode())
            assert not weak_hash("ci", _hashed(token))


@pytest.mark.parametrize("token", [b"", b"short", b"x" * 19, b"a" * 40, b"abcde" * 20])
def test_short_or_uniform_token_is_refused(token: bytes) -> None:
    assert weak_token(token)
