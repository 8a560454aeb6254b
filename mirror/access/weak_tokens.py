"""Permanent tokens that can be guessed: examples of the documentation, words and short texts.

A file of rules holds only the SHA-256 of each token. So a word is found when the file is read, and
the length of a token is checked when a client uses the token.
"""

from __future__ import annotations

import hashlib
from itertools import product
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

MIN_TOKEN_CHARACTERS: Final = 20
"""The shortest accepted token: 20 random hexadecimal digits have 80 bits."""

_MIN_DISTINCT: Final = 6
"""How many different characters a token needs at least; random tokens have far more."""

_WORDS: Final = (
    *("", "token", "mytoken", "my-token", "secret", "mysecret", "my-secret", "secret-token"),
    *("secrettoken", "supersecret", "super-secret", "topsecret", "test", "testing", "test-token"),
    *("testtoken", "password", "passwd", "pass", "passw0rd", "p@ssw0rd", "p@ssword", "changeme"),
    *("change-me", "change_me", "changeit", "default", "example", "example-token", "sample"),
    *("demo", "admin", "administrator", "root", "user", "guest", "ci", "cicd", "ci-token", "build"),
    *("builder", "deploy", "deployment", "robot", "registry", "mirror", "docker", "podman"),
    *(
        "storectl",
        "letmein",
        "welcome",
        "qwerty",
        "qwertyuiop",
        "asdfgh",
        "abc",
        "abc123",
        "abcdef",
    ),
    *("foo", "bar", "foobar", "foo-bar", "hello", "helloworld", "hunter2", "x", "xxx", "null"),
    *("none", "true", "false", "bearer", "basic", "apikey", "api-key", "key", "access-token"),
    *(
        "your-token",
        "your_token",
        "yourtoken",
        "your-token-here",
        "insert-token-here",
        "replace-me",
    ),
    *("replaceme", "todo", "placeholder", "dummy", "fake", "long random token", "$TOKEN", "TOKEN"),
    *("a long random token", "long-random-token", "1", "12", "123", "1234", "12345", "123456"),
    *("1234567", "12345678", "123456789", "1234567890", "0", "0000", "00000000", "1111", "111111"),
    *("correct horse battery staple", "correcthorsebatterystaple", "iloveyou", "monkey", "dragon"),
    *("00000000-0000-0000-0000-000000000000", "deadbeef", "cafebabe", "0123456789abcdef"),
)
_ENDINGS: Final = ("", "1", "123", "1234", "!", "-token", "_token", "-secret", "-password", "\n")


def weak_hash(name: str, hashed: str) -> str | None:
    """Return why the SHA-256 of a token is refused; None if nothing is wrong.

    Args:
        name: The name of the token's user.
        hashed: The SHA-256 in hexadecimal.
    """
    if any(hashed == hashed[:width] * (64 // width) for width in (1, 2, 4, 8, 16, 32)):
        return "the value is a sample, not the SHA-256 of a token"
    if hashed in _HASHES or any(_sha256(text) == hashed for text in _variants(name)):
        return "the token is a sample or a word that can be guessed"
    return None


def weak_token(token: bytes) -> str | None:
    """Return why a token is refused; None if nothing is wrong.

    Args:
        token: The token as the client sent it.
    """
    if len(token) < MIN_TOKEN_CHARACTERS:
        return f"it has {len(token)} bytes, at least {MIN_TOKEN_CHARACTERS} needed"
    if len(set(token)) < _MIN_DISTINCT:
        return f"it has {len(set(token))} different bytes, at least {_MIN_DISTINCT} needed"
    return None


def _variants(word: str) -> Iterator[str]:
    spellings = dict.fromkeys((word, word.lower(), word.upper(), word.capitalize(), word * 2))
    for spelling, ending in product(spellings, _ENDINGS):
        yield spelling + ending


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


_HASHES: Final = frozenset(_sha256(text) for word in _WORDS for text in _variants(word))
