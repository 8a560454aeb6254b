from __future__ import annotations

import pytest
from yarl import URL

from remote.auth.realms import safe_realm, token_query
from remote.auth.scopes import Scope

SECURE, PLAIN = URL("https://r.example/v2/"), URL("http://localhost:5000/v2/")


@pytest.mark.parametrize(
    ("realm", "registry"),
    [
        ("https://auth.example/token", SECURE),
        ("https://auth.example/token", PLAIN),
        ("http://localhost:5001/token?x=1", PLAIN),
    ],
)
def test_a_token_service_may_be_elsewhere(realm: str, registry: URL) -> None:
    assert str(safe_realm(realm, registry)) == realm


@pytest.mark.parametrize(
    ("realm", "reason"),
    [
        ("http://auth.example/token", "without TLS"),
        ("https://me:secret@auth.example/token", "user name"),
        ("https://me@auth.example/token", "user name"),
        ("ftp://auth.example/token", "absolute"),
        ("file:///etc/passwd", "absolute"),
        ("/token", "absolute"),
        ("", "absolute"),
        ("https://[::1/token", "absolute"),
        ("https://auth.example/" + "x" * 5000, "absolute"),
    ],
)
def test_an_unsafe_token_service_gets_no_credentials(realm: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        safe_realm(realm, SECURE)


def test_the_query_keeps_the_parameters_of_the_service() -> None:
    scopes = (Scope("repository:a:pull"), Scope("repository:b:pull"))
    url = token_query(URL("https://auth.example/token?tenant=1"), "r.example", scopes)
    assert list(url.query.items()) == [
        ("tenant", "1"),
        ("service", "r.example"),
        ("scope", "repository:a:pull"),
        ("scope", "repository:b:pull"),
    ]
    assert token_query(URL("https://auth.example/token"), "", ()).query_string == ""
