"""Requests that web pages send through a visitor's browser."""

from __future__ import annotations

import pytest

from mirror.origin.proxies import Origin
from mirror.origin.web_pages import Refusal, WebPages

STRICT = WebPages.of(["host.docker.internal"], None, is_strict=True)
RELAXED = WebPages.of([], None, is_strict=False)


def called(host: str, *, secure: bool = False, is_forwarded: bool = False) -> Origin:
    return Origin("127.0.0.1", secure, host, is_forwarded)


def refusal(
    pages: WebPages,
    method: str,
    host: str,
    *sites: str,
    fetch_site: str | None = None,
    secure: bool = False,
) -> Refusal | None:
    return pages.refusal(method, called(host, secure=secure), sites=sites, fetch_site=fetch_site)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    ("host", "is_own"),
    [
        ("localhost:5000", True),
        ("127.0.0.1:5000", True),
        ("[::1]:5000", True),
        ("registry.localhost", True),
        ("HOST.docker.internal.:5000", True),
        ("rebound.evil.example:5000", False),
        ("localhost.evil.example", False),
        ("docker.internal", False),
        ("not a host", False),
        ("", False),
    ],
)
def test_strict_server_answers_only_under_its_own_names(
    method: str, host: str, is_own: bool
) -> None:
    assert refusal(STRICT, method, host) is (None if is_own else Refusal.FOREIGN_HOST)
    assert refusal(RELAXED, method, host) is None


def test_name_in_the_url_and_names_from_proxies_are_own() -> None:
    pages = WebPages.of([], "https://mirror.example.com", is_strict=True)
    assert refusal(pages, "GET", "mirror.example.com:8443") is None
    assert refusal(pages, "GET", "other.example.com") is Refusal.FOREIGN_HOST
    forwarded = called("other.example.com", is_forwarded=True)
    assert pages.refusal("GET", forwarded, sites=(), fetch_site=None) is None


def test_only_old_clients_may_leave_out_the_host() -> None:
    nameless = called("")
    assert STRICT.refusal("GET", nameless, sites=(), fetch_site=None, may_lack_host=True) is None
    assert (
        STRICT.refusal(
            "POST", nameless, sites=["http://evil.example"], fetch_site=None, may_lack_host=True
        )
        is Refusal.FOREIGN_ORIGIN
    )


FOREIGN = [
    "http://evil.example",
    "null",
    "",
    "localhost:5000",
    "http://localhost",
    "http://localhost:8080",
    "http://127.0.0.1:5000",
    "http://localhost:5000/",
    "file://localhost:5000",
    "chrome-extension://abcdef",
]


@pytest.mark.parametrize("site", FOREIGN)
def test_pages_of_other_sites_change_nothing(site: str) -> None:
    for method in ("POST", "PUT", "PATCH", "DELETE", "UNKNOWN"):
        for pages in (STRICT, RELAXED):
            assert refusal(pages, method, "localhost:5000", site) is Refusal.FOREIGN_ORIGIN
    # Without users, a page of a different site may not even ask.
    assert refusal(STRICT, "GET", "localhost:5000", site) is Refusal.FOREIGN_ORIGIN
    assert refusal(RELAXED, "GET", "localhost:5000", site) is None


@pytest.mark.parametrize(
    ("host", "site", "secure"),
    [
        ("localhost:5000", "http://localhost:5000", False),
        ("LOCALHOST:5000", "HTTP://localhost.:5000", False),
        ("localhost", "http://localhost:80", False),
        ("localhost:80", "http://localhost", False),
        ("[::1]:5000", "http://[::1]:5000", False),
        ("mirror.localhost", "https://mirror.localhost", True),
        # A proxy that is not trusted has ended TLS.
        ("mirror.localhost", "https://mirror.localhost", False),
    ],
)
def test_own_pages_pass(host: str, site: str, secure: bool) -> None:
    for pages in (STRICT, RELAXED):
        for method in ("GET", "DELETE"):
            assert refusal(pages, method, host, site, secure=secure) is None


def test_page_without_tls_is_foreign_to_a_server_with_tls() -> None:
    assert (
        refusal(RELAXED, "PUT", "mirror.example.com", "http://mirror.example.com", secure=True)
        is Refusal.FOREIGN_ORIGIN
    )


def test_pages_of_the_url_pass_behind_a_proxy_that_rewrites_the_host() -> None:
    pages = WebPages.of([], "https://mirror.example.com", is_strict=False)
    assert refusal(pages, "PUT", "10.0.0.7:5000", "https://mirror.example.com") is None
    assert refusal(pages, "PUT", "10.0.0.7:5000", "https://mirror.example.com:443") is None
    assert (
        refusal(pages, "PUT", "10.0.0.7:5000", "http://mirror.example.com")
        is Refusal.FOREIGN_ORIGIN
    )


def test_one_foreign_site_among_several_is_refused() -> None:
    assert (
        refusal(RELAXED, "PUT", "localhost", "http://localhost", "http://evil.example")
        is Refusal.FOREIGN_ORIGIN
    )


@pytest.mark.parametrize("fetch_site", ["cross-site", "same-site", "Cross-Site"])
def test_browser_reports_pages_of_other_sites(fetch_site: str) -> None:
    for pages in (STRICT, RELAXED):
        assert refusal(pages, "POST", "localhost", fetch_site=fetch_site) is Refusal.FOREIGN_ORIGIN
        link = pages.refusal(
            "GET", called("localhost"), sites=(), fetch_site=fetch_site, is_link=True
        )
        assert link is None
    # For example an image on a page of a different site.
    assert refusal(STRICT, "GET", "localhost", fetch_site=fetch_site) is Refusal.FOREIGN_ORIGIN
    assert refusal(RELAXED, "GET", "localhost", fetch_site=fetch_site) is None


def test_link_does_not_permit_changes() -> None:
    assert (
        STRICT.refusal("POST", called("localhost"), sites=(), fetch_site="cross-site", is_link=True)
        is Refusal.FOREIGN_ORIGIN
    )


@pytest.mark.parametrize(
    ("host", "site", "may_be"),
    [
        ("evil.example:5000", "http://evil.example:5000", True),
        ("no host", "http://evil.example:5000", True),
        ("10.0.0.7:5000", "http://10.0.0.7:5000", False),
        ("[fd00::7]:5000", "http://[fd00::7]:5000", False),
        ("localhost:5000", "http://localhost:5000", False),
        ("mirror.example.com", "https://mirror.example.com", False),
        # A proxy has changed the host.
        ("backend:5000", "https://mirror.example.com", False),
        ("backend:5000", "http://backend:5000", True),
        # No page has sent the request.
        ("evil.example:5000", None, False),
    ],
)
def test_page_under_an_unknown_name_may_have_been_rebound(
    host: str, site: str | None, may_be: bool
) -> None:
    pages = WebPages.of([], "https://mirror.example.com", is_strict=False)
    sites = () if site is None else (site,)
    assert pages.may_be_rebound(called(host), sites) is may_be
    assert not pages.may_be_rebound(called(host, is_forwarded=True), sites)


@pytest.mark.parametrize("fetch_site", [None, "same-origin", "none"])
def test_browser_reports_the_server_itself_or_the_user(fetch_site: str | None) -> None:
    assert refusal(STRICT, "POST", "localhost", fetch_site=fetch_site) is None


@pytest.mark.parametrize("pages", [STRICT, RELAXED])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
@pytest.mark.parametrize("host", ["localhost:5000", "rebound.evil.example:5000", "", "a" * 301])
@pytest.mark.parametrize("sites", [(), ("http://evil.example",)])
def test_harmless_request_is_never_refused(
    pages: WebPages, method: str, host: str, sites: tuple[str, ...]
) -> None:
    if pages.is_harmless(method, host, is_from_browser=bool(sites)):
        assert refusal(pages, method, host, *sites) is None


def test_requests_of_registry_clients_are_harmless() -> None:
    assert STRICT.is_harmless("GET", "localhost:5000", is_from_browser=False)
    assert RELAXED.is_harmless("HEAD", "mirror.example.com", is_from_browser=False)
    assert not STRICT.is_harmless("GET", "rebound.evil.example:5000", is_from_browser=False)
    assert not STRICT.is_harmless("GET", "localhost:5000", is_from_browser=True)
    assert not RELAXED.is_harmless("PUT", "mirror.example.com", is_from_browser=False)
