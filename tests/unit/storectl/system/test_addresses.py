"""Registry names and server URLs that are given on the command line."""

from __future__ import annotations

import pytest

from storectl.system.addresses import in_url, is_host, is_registry, is_server


@pytest.mark.parametrize(
    "domain", ["docker.io", "quay.io", "localhost", "localhost:5000", "corp:5000", "10.0.0.1"]
)
def test_domains_with_a_dot_or_a_port_are_registries(domain: str) -> None:
    assert is_registry(domain)


@pytest.mark.parametrize(
    "domain", ["", "corp", "quay.io/team", "quay.io\n", 'a.b"', "https://quay.io"]
)
def test_paths_and_single_words_are_not_registries(domain: str) -> None:
    assert not is_registry(domain)


@pytest.mark.parametrize(
    "text", ["a", "host.docker.internal", "Mirror.example.", "10.0.0.1", "::1", "[::1]"]
)
def test_names_and_addresses_are_hosts(text: str) -> None:
    assert is_host(text)


@pytest.mark.parametrize(
    "text",
    ["", "a:5000", "a:", "[::1]:5000", "http://a", "*", "*.example.com", "a/b", "a\n", "a b"],
)
def test_ports_patterns_and_urls_are_not_hosts(text: str) -> None:
    assert not is_host(text)


def test_only_addresses_of_ipv6_have_brackets_in_urls() -> None:
    assert [in_url(host) for host in ("a", "10.0.0.1", "::1", "[::1]")] == [
        "a",
        "10.0.0.1",
        "[::1]",
        "[::1]",
    ]


@pytest.mark.parametrize(
    "url",
    [
        "http://a",
        "https://mirror.example",
        "http://10.0.0.1:80",
        "http://[::1]:5000",
        "https://a:65535",
    ],
)
def test_a_scheme_a_host_and_a_port_are_a_server(url: str) -> None:
    assert is_server(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mirror.example",
        "ftp://a",
        "http://",
        "http://a/",
        "http://a?x",
        "http://user@a",
        "http://a:65536",
        "http://a:",
        "http://-a",
        "http://[x]",
        "http://a\n",
    ],
)
def test_anything_more_or_less_is_not_a_server(url: str) -> None:
    assert not is_server(url)
