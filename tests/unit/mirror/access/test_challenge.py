"""The ``WWW-Authenticate`` header, with which the mirror asks clients to authenticate."""

from __future__ import annotations

from mirror.access.challenge import Challenge, Scheme


def test_challenge_names_the_token_endpoint_only_for_valid_hosts() -> None:
    bearer = Challenge(Scheme.BEARER)
    assert (
        bearer.header(secure=True, host="mirror:5000", scope="repository:a:pull") == "Bearer"
        ' realm="https://mirror:5000/token",service="mirror:5000",scope="repository:a:pull"'
    )
    assert (
        bearer.header(secure=False, host="[::1]:5000")
        == 'Bearer realm="http://[::1]:5000/token",service="[::1]:5000"'
    )
    for evil in ('x"', "x\r\nSet-Cookie: a", "a b", ""):
        assert bearer.header(secure=True, host=evil).startswith("Basic ")
    assert (
        Challenge(Scheme.BEARER, "https://front").header(secure=False, host='x"')
        == 'Bearer realm="https://front/token",service="front"'
    )
    assert Challenge(Scheme.BASIC).header(secure=True, host="mirror").startswith("Basic ")
