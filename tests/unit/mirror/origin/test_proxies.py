"""The origin of requests that pass through trusted and untrusted reverse proxies."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

import bcrypt
import pytest

from mirror.access import Access, throttle
from mirror.access.throttle import BURST
from mirror.origin.proxies import Origin, TrustedProxies
from mirror.service import MirrorSettings
from store.errors import InvalidInput

if TYPE_CHECKING:
    import http.client
    from collections.abc import Callable

    from tests.support.mirror_in_process import InProcessMirror

PROXIES = TrustedProxies.parse(["10.0.0.0/8", "192.0.2.7", "fd00::/8"])


def client(peer: str | None, *forwarded_for: str) -> str | None:
    connected = Origin(peer, secure=False, host="inside")
    return PROXIES.origin(connected, forwarded_for=forwarded_for, proto=(), host=()).address


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "found"),
    [
        ("10.1.1.1", ["203.0.113.5"], "203.0.113.5"),
        ("192.0.2.7", ["203.0.113.5"], "203.0.113.5"),
        ("fd00::1", ["2001:db8::5"], "2001:db8::5"),
        ("::ffff:10.1.1.1", ["203.0.113.5"], "203.0.113.5"),
        # The last address that is not a trusted proxy counts: a client can forge the addresses
        # before it.
        ("10.1.1.1", ["1.2.3.4, 203.0.113.5"], "203.0.113.5"),
        ("10.1.1.1", ["1.2.3.4, 203.0.113.5, 10.2.2.2,192.0.2.7"], "203.0.113.5"),
        ("10.1.1.1", ["rubbish, 203.0.113.5, 10.2.2.2"], "203.0.113.5"),
        ("10.1.1.1", ["1.2.3.4", "203.0.113.5", "10.2.2.2"], "203.0.113.5"),
        ("10.1.1.1", ["::ffff:10.2.2.2"], "10.2.2.2"),
        ("10.1.1.1", ["203.0.113.5, ::ffff:10.2.2.2"], "203.0.113.5"),
        # If every address is a trusted proxy, the first proxy is the client.
        ("10.1.1.1", ["10.3.3.3, 10.2.2.2"], "10.3.3.3"),
        # Some proxies add ports.
        ("10.1.1.1", ["203.0.113.5:4711"], "203.0.113.5"),
        ("10.1.1.1", ["[2001:DB8::5]:4711"], "2001:db8::5"),
        ("10.1.1.1", ["[2001:db8::5]"], "2001:db8::5"),
    ],
)
def test_client_is_the_last_address_that_is_not_a_trusted_proxy(
    peer: str, forwarded_for: list[str], found: str
) -> None:
    assert client(peer, *forwarded_for) == found


@pytest.mark.parametrize(
    "peer",
    [
        "203.0.113.9",
        "192.0.2.8",
        "2001:db8::1",
        "::ffff:203.0.113.9",
        "11.0.0.1",
        "",
        None,
        "not an address",
    ],
)
def test_headers_of_other_peers_are_ignored(peer: str | None) -> None:
    connected = Origin(peer, secure=False, host="inside")
    assert (
        PROXIES.origin(
            connected, forwarded_for=["203.0.113.5"], proto=["https"], host=["mirror.example.com"]
        )
        == connected
    )
    nothing_trusted = TrustedProxies()
    assert (
        nothing_trusted.origin(
            connected, forwarded_for=["203.0.113.5"], proto=["https"], host=["mirror.example.com"]
        )
        == connected
    )


@pytest.mark.parametrize(
    "forwarded_for",
    [
        [],
        [""],
        ["unknown"],
        ["203.0.113.5,"],
        ["203.0.113.5,,10.2.2.2"],
        ["203.0.113.5, _hidden"],
        ["203.0.113.5, unknown, 10.2.2.2"],
        ["203.0.113.5, 10.2.2.2", "rubbish"],
        ["203.0.113.256"],
        ["203.0.113.05"],
        ["203.0.113.5:"],
        ["203.0.113.5:123456"],
        ["2001:db8::5%eth0"],
        ["fe80::1%\x1b[31m"],
        ["[203.0.113.5]:1"],
        ["203.0.113.5 10.2.2.2"],
        ["for=203.0.113.5"],
        ["\uff12\uff10\uff13.0.113.5"],
        ["203.0.113.5\n"],
    ],
)
def test_invalid_header_leaves_the_address_of_the_proxy(forwarded_for: list[str]) -> None:
    assert client("10.1.1.1", *forwarded_for) == "10.1.1.1"


@pytest.mark.parametrize(
    ("proto", "host", "secure", "called"),
    [
        (["https"], ["mirror.example.com"], True, "mirror.example.com"),
        (["HTTPS"], ["mirror.example.com:8443"], True, "mirror.example.com:8443"),
        (["http"], [], False, "inside"),
        ([], [""], False, "inside"),
        (["ftp"], ["one, two"], False, "inside"),
        (["https", "https"], ["one", "two"], False, "inside"),
        (["https, http"], ["one"], False, "one"),
    ],
)
def test_scheme_and_host_come_from_the_proxy(
    proto: list[str],
    host: list[str],
    secure: bool,
    called: str,
) -> None:
    found = PROXIES.origin(
        Origin("10.1.1.1", secure=False, host="inside"), forwarded_for=(), proto=proto, host=host
    )
    assert found == Origin("10.1.1.1", secure, called, is_forwarded=called != "inside")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "proxy.example.com",
        "10.0.0.1/8",
        "10.0.0.0/33",
        "10.0.0",
        "0.0.0.0/0",
        "::/0",
        "10.0.0.0/8,192.0.2.7",
    ],
)
def test_invalid_network_of_proxies_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        TrustedProxies.parse([text])


# --- over a socket --------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _no_refill(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the refill of login attempts, so that a slow test gets no additional attempts."""
    monkeypatch.setattr(throttle, "REFILL_S", 3600.0)


def guarded(
    serve: Callable[..., InProcessMirror], *proxies: str
) -> Callable[..., tuple[int, http.client.HTTPMessage]]:
    """Return a function that sends a wrong password and the given ``X-Forwarded-For`` header."""
    users = {"alice": bcrypt.hashpw(b"right", bcrypt.gensalt(4))}
    ask = serve(MirrorSettings(access=Access(users), proxies=TrustedProxies.parse(proxies)))

    def fail(forwarded_for: str, **headers: str) -> tuple[int, http.client.HTTPMessage]:
        authorization = f"Basic {b64encode(b'alice:wrong').decode()}"
        answer = ask(
            "GET",
            "/v2/",
            None,
            Authorization=authorization,
            X_Forwarded_For=forwarded_for,
            **headers,
        )
        return answer.status, answer.headers

    return fail


def test_failures_are_counted_per_client(serve: Callable[..., InProcessMirror]) -> None:
    fail = guarded(serve, "127.0.0.1")
    for number in range(BURST):
        # The address that the proxy adds counts, and not the address that the client claims.
        assert fail(f"198.51.100.{number}, 203.0.113.5")[0] == 401
    assert fail("203.0.113.5")[0] == 429
    assert fail("203.0.113.6")[0] == 401


@pytest.mark.parametrize("proxies", [(), ("127.0.0.2",)], ids=["none", "another"])
def test_failures_of_other_peers_are_counted_per_connection(
    proxies: tuple[str, ...], serve: Callable[..., InProcessMirror]
) -> None:
    fail = guarded(serve, *proxies)
    assert [fail(f"203.0.113.{number}")[0] for number in range(BURST + 1)] == [401] * BURST + [429]


def test_challenge_uses_the_host_that_the_client_used(
    serve: Callable[..., InProcessMirror],
) -> None:
    fail = guarded(serve, "127.0.0.1")
    _, headers = fail(
        "203.0.113.5", X_Forwarded_Proto="https", X_Forwarded_Host="mirror.example.com"
    )
    assert (
        headers["WWW-Authenticate"]
        == 'Bearer realm="https://mirror.example.com/token",service="mirror.example.com"'
    )
    _, headers = fail("203.0.113.5", X_Forwarded_Host='x" realm="y')
    assert headers["WWW-Authenticate"].startswith("Basic ")
    _, headers = guarded(serve)(
        "203.0.113.5", X_Forwarded_Proto="https", X_Forwarded_Host="mirror.example.com"
    )
    assert "mirror.example.com" not in headers["WWW-Authenticate"]


def test_only_addresses_of_proxies_are_trusted() -> None:
    trusted = ("10.1.2.3", "::ffff:10.1.2.3", "192.0.2.7", "fd00::1")
    assert all(map(PROXIES.trusts, trusted))
    assert not any(map(PROXIES.trusts, ("192.0.2.8", "::1", "no address", None)))
    assert not any(map(TrustedProxies().trusts, trusted))
