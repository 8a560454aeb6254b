from __future__ import annotations

import ssl

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from remote.errors import InvalidAnswer, Offline, RegistryFailed, Unreachable, UnsafeTarget
from remote.http.connectors import ForbiddenAddress, OfflineRefusal
from remote.http.faults import place, speaks_plain_http, translate


@pytest.mark.parametrize(
    ("fault", "kind", "is_transient"),
    [
        (OfflineRefusal(), Offline, False),
        (ForbiddenAddress("10.0.0.1"), UnsafeTarget, False),
        (TimeoutError(), Unreachable, True),
        (ConnectionRefusedError(111, "refused"), Unreachable, True),
        (ConnectionResetError(104, "reset"), RegistryFailed, True),
        (aiohttp.ClientPayloadError("short"), RegistryFailed, True),
        (aiohttp.ServerDisconnectedError(), RegistryFailed, True),
        (ssl.SSLError(1, "handshake"), Unreachable, False),
        (aiohttp.ClientError("odd"), InvalidAnswer, False),
        (ValueError("odd\x1b[2J"), InvalidAnswer, False),
    ],
)
def test_faults(fault: BaseException, kind: type[Exception], *, is_transient: bool) -> None:
    got = translate(
        fault,
        action="read manifest r.example/app:1",
        url=URL("https://r.example/v2/app?secret=1"),
        registry="r.example",
        repository="app",
    )
    assert type(got.error) is kind
    assert got.is_transient is is_transient
    assert got.error.message.startswith("cannot read manifest r.example/app:1: ")
    assert "secret" not in got.error.message
    assert got.error.message.isprintable()


def test_plain_http_is_recognised() -> None:
    plain = ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number")
    plain.reason = "WRONG_VERSION_NUMBER"
    assert speaks_plain_http(plain)
    assert not speaks_plain_http(ConnectionResetError(104, "reset"))
    other = ssl.SSLError(1, "bad")
    other.reason = "CERTIFICATE_VERIFY_FAILED"
    assert not speaks_plain_http(other)
    assert not speaks_plain_http(TimeoutError())
    assert not speaks_plain_http(None)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://r.example/v2/?token=x", "r.example"),
        ("https://r.example:8443/v2/", "r.example:8443"),
        ("http://localhost:80/", "localhost"),
    ],
)
def test_places(url: str, expected: str) -> None:
    assert place(URL(url)) == expected


def test_a_status_line_that_is_not_http_is_named_without_the_url() -> None:
    url = URL("https://r.example/blob?signature=secret")
    request = aiohttp.RequestInfo(url, "GET", CIMultiDictProxy(CIMultiDict()), url)
    fault = aiohttp.ClientResponseError(
        request, (), status=400, message="Bad status line:\n  Expected HTTP/:\n\n  b'SSH-2.0'\n  ^"
    )
    got = translate(
        fault, action="read blob r.example/app@x", url=url, registry="r.example", repository="app"
    )
    assert got.error.message == (
        "cannot read blob r.example/app@x: r.example sent an answer that is not HTTP:"
        " Bad status line"
    )
