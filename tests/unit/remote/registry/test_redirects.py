from __future__ import annotations

import pytest
from yarl import URL

from remote.errors import InvalidAnswer, UnsafeTarget
from remote.registry.call import Call
from remote.registry.redirects import Redirects, resolve_location

BASE = URL("https://r.example/v2/")
FROM = URL("https://r.example/v2/app/blobs/x")


def call(method: str = "GET") -> Call:
    return Call(method=method, path="", action="read blob r.example/app@x", registry="r.example")


def redirects(method: str = "GET") -> Redirects:
    return Redirects(call(method), BASE, FROM)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_reads_are_redirected_to_other_hosts_without_authorization(status: int) -> None:
    one = redirects()
    visited = [one.is_registry]
    assert one.follow(status, "https://cdn.example/x?signature=%2B%2F")
    assert str(one.url) == "https://cdn.example/x?signature=%2B%2F"
    assert not one.needs_public_address
    visited.append(one.is_registry)
    assert one.follow(status, "https://r.example/v2/app/blobs/y")
    assert [*visited, one.is_registry] == [True, False, True]


@pytest.mark.parametrize(
    "location", ["https://r.example:8443/x", "https://r.example.evil/x", "https://R.example/x"]
)
def test_only_the_same_host_and_port_are_the_registry(location: str) -> None:
    one = redirects()
    assert one.follow(307, location)
    assert one.is_registry is (location == "https://R.example/x")


@pytest.mark.parametrize("status", [200, 206, 300, 304, 401, 404])
def test_other_answers_are_no_redirects(status: int) -> None:
    assert not redirects().follow(status, "https://cdn.example/x")


def test_loops_end() -> None:
    one = redirects()
    with pytest.raises(InvalidAnswer, match="more than 10 redirects"):
        while one.follow(307, "/v2/app/blobs/x"):
            pass


@pytest.mark.parametrize(
    "location", ["http://cdn.example/x", "http://r.example:5000/x", "http://169.254.169.254/"]
)
def test_tls_is_not_given_up(location: str) -> None:
    with pytest.raises(UnsafeTarget, match="without TLS"):
        redirects().follow(302, location)


def test_a_registry_that_does_not_know_of_its_tls_is_understood() -> None:
    target = resolve_location(call(), URL("https://r.example:8443/v2/"), "http://r.example/v2/x")
    assert str(target) == "https://r.example:8443/v2/x"


@pytest.mark.parametrize("location", ["", "ftp://r.example/", "http://[::1", "x" * 20_000])
def test_locations_that_are_not_urls(location: str) -> None:
    with pytest.raises(InvalidAnswer, match="no valid Location"):
        resolve_location(call(), FROM, location)


def test_user_names_are_refused() -> None:
    with pytest.raises(UnsafeTarget, match="user name"):
        resolve_location(call(), FROM, "https://me:secret@cdn.example/x")


def test_uploads_stay_at_the_registry() -> None:
    one = redirects("PUT")
    assert not one.follow(302, "/v2/app/blobs/y")
    assert one.follow(307, "/v2/app/blobs/y")
    with pytest.raises(UnsafeTarget, match="different host"):
        one.follow(307, "https://cdn.example/x")


@pytest.mark.parametrize("host", ["http://cdn.example", "http://10.0.0.1", "http://localhost:1"])
def test_without_tls_only_public_addresses_are_visited(host: str) -> None:
    one = Redirects(call(), URL("http://r.example/v2/"), URL("http://r.example/v2/x"))
    assert one.follow(302, f"{host}/x")
    assert one.needs_public_address


def test_addresses_must_be_public_with_tls_too() -> None:
    one = redirects()
    assert one.follow(302, "https://10.0.0.1/x")
    assert one.needs_public_address
