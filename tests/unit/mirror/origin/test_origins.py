"""The origin of a request, as the mirror records it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import Mock

from aiohttp.test_utils import make_mocked_request

from mirror.origin import origins
from mirror.origin.origins import address, note_origin, origin
from mirror.origin.proxies import Origin, TrustedProxies

if TYPE_CHECKING:
    from aiohttp import web

FORWARDED = {
    "Host": "inside",
    "X-Forwarded-For": "203.0.113.5",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "mirror.example.com",
}


def request_from(peer: str, headers: dict[str, str]) -> web.Request:
    transport = Mock()
    transport.get_extra_info = {"peername": (peer, 4711)}.get
    return make_mocked_request("GET", "/", headers, transport=transport)


def test_headers_of_a_trusted_proxy_are_noted() -> None:
    request = request_from("10.0.0.1", FORWARDED)
    note_origin(request, TrustedProxies.parse(["10.0.0.0/8"]))
    assert origin(request) == Origin(
        "203.0.113.5", secure=True, host="mirror.example.com", is_forwarded=True
    )
    assert address(request) == "203.0.113.5"


def test_connection_counts_without_trusted_proxies() -> None:
    request = request_from("10.0.0.1", FORWARDED)
    note_origin(request, TrustedProxies())
    assert origin(request) == Origin("10.0.0.1", secure=False, host="inside")
    assert address(request) == "10.0.0.1"


def test_request_without_a_host_has_an_empty_one() -> None:
    assert origin(request_from("10.0.0.1", {})).host == ""


def test_limits_and_logs_use_the_client_behind_a_proxy() -> None:
    """Only these modules use the address of the connection, which may be that of a proxy."""
    folder = Path(origins.__file__).parents[1]
    readers = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*.py")
        if path.parent.name != "connections"
        and re.search(r"request\.remote\b|peername", path.read_text(encoding="utf-8"))
    }
    # The application asks whether the connection comes from a proxy.
    assert readers == {"app.py", "origin/origins.py"}
