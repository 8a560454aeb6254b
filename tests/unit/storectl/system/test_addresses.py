"""Registry names and server URLs that are given on the command line."""

from __future__ import annotations

import pytest

from storectl.system.addresses import is_registry, is_server


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
