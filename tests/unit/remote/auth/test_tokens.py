from __future__ import annotations

import pytest

from remote.auth.tokens import Token


@pytest.mark.parametrize(
    ("body", "header", "life"),
    [
        (b'{"token":"abc","expires_in":300}', "Bearer abc", 270),
        (b'{"access_token":"abc"}', "Bearer abc", 54),
        (b'{"token":"","access_token":"b","expires_in":0}', "Bearer b", 54),
        (b'{"token":"a","expires_in":-5}', "Bearer a", 54),
        (b'{"token":"a","expires_in":"60"}', "Bearer a", 54),
        (b'{"token":"a","expires_in":true}', "Bearer a", 54),
        (b'{"token":"a","expires_in":NaN}', "Bearer a", 54),
        (b'{"token":"a","expires_in":1e300}', "Bearer a", 24 * 3600 * 0.9),
    ],
)
def test_tokens(body: bytes, header: str, life: float) -> None:
    token = Token.parse(body, 1000.0)
    assert token.header == header
    assert token.expires_at - 1000 == pytest.approx(life)
    assert "abc" not in repr(token)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a JSON object"),
        (b'{"token":5}', "no token"),
        (b"{}", "no token"),
        (b'{"token":"a\\r\\nHost: evil"}', "characters"),
        (b'{"token":"a b"}', "characters"),
        (b'{"token":"' + b"x" * 70_000 + b'"}', "too long"),
    ],
)
def test_answers_without_a_token(body: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Token.parse(body, 0)
