"""Pages of other origins: what they may read, and what a browser is told."""

from __future__ import annotations

import pytest

from mirror.origin.cors import EXPOSED_HEADERS, SharedOrigins
from store.errors import InvalidInput

UI = "https://ui.example.com"
LISTED = SharedOrigins.parse([UI, "http://localhost:8080"])
EVERY = SharedOrigins.parse(["*"])
BOTH = SharedOrigins.parse(["*", UI])


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://ui.example.com", "https://ui.example.com"),
        ("HTTPS://UI.Example.com:443", "https://ui.example.com"),
        ("http://ui.example.com:80", "http://ui.example.com"),
        ("http://ui.example.com:8080", "http://ui.example.com:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://127.0.0.1", "http://127.0.0.1"),
    ],
)
def test_origins_are_compared_as_browsers_write_them(text: str, origin: str) -> None:
    assert SharedOrigins.parse([text]).may_read([origin])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "ui.example.com",
        "https://",
        "https://ui.example.com/",
        "https://ui.example.com/page",
        "https://*.example.com",
        "https://user@ui.example.com",
        "ftp://ui.example.com",
        "https://ui.example.com\r\nX: y",
        "https://" + "a" * 300,
    ],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        SharedOrigins.parse([text])
    assert "invalid origin" in refused.value.message


def test_by_default_no_page_may_read() -> None:
    none = SharedOrigins()
    assert none.is_empty
    assert not none.may_read([UI])
    assert none.answer_headers([UI]) == {}
    assert none.preflight_headers("OPTIONS", [UI], "GET") is None


@pytest.mark.parametrize(
    "sites",
    [
        [],
        ["null"],
        ["http://ui.example.com"],
        ["https://ui.example.com:8443"],
        ["https://ui.example.com.evil.example"],
        ["https://UI.example.com"],
        [UI, UI],
        [UI, "https://evil.example"],
    ],
)
def test_only_listed_origins_may_read(sites: list[str]) -> None:
    assert not LISTED.may_read(sites)
    # A cache has to keep this answer apart from the answer for a listed origin.
    assert LISTED.answer_headers(sites) == {"Vary": "Origin"}
    assert LISTED.preflight_headers("OPTIONS", sites, "GET") is None


def test_listed_origin_gets_its_name_and_credentials() -> None:
    headers = LISTED.answer_headers([UI])
    assert headers["Access-Control-Allow-Origin"] == UI
    assert headers["Access-Control-Allow-Credentials"] == "true"
    assert headers["Vary"] == "Origin"
    assert headers["Access-Control-Expose-Headers"].split(", ") == list(EXPOSED_HEADERS)


@pytest.mark.parametrize("sites", [["https://evil.example"], ["null"], []])
def test_every_other_page_never_gets_credentials(sites: list[str]) -> None:
    for origins in (EVERY, BOTH):
        headers = origins.answer_headers(sites)
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in headers
    assert "Vary" not in EVERY.answer_headers(sites)
    assert BOTH.answer_headers(sites)["Vary"] == "Origin"
    assert BOTH.answer_headers([UI])["Access-Control-Allow-Origin"] == UI


def test_preflight_permits_reads_only() -> None:
    for wanted in ("GET", "DELETE", "PUT"):
        headers = LISTED.preflight_headers("OPTIONS", [UI], wanted)
        assert headers is not None
        assert headers["Access-Control-Allow-Methods"] == "GET, HEAD"
        assert "Authorization" in headers["Access-Control-Allow-Headers"]
        assert int(headers["Access-Control-Max-Age"]) > 0
        assert headers["Access-Control-Allow-Private-Network"] == "true"
    anybody = EVERY.preflight_headers("OPTIONS", ["https://evil.example"], "GET")
    assert anybody is not None
    assert "Access-Control-Allow-Private-Network" not in anybody


def test_other_requests_are_no_preflights() -> None:
    assert LISTED.preflight_headers("GET", [UI], "GET") is None
    assert LISTED.preflight_headers("OPTIONS", [UI], None) is None
