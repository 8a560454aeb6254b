"""Host names in requests, and the names of the loopback interface."""

from __future__ import annotations

import pytest

from mirror.origin.hosts import Host, is_loopback_address, serves_this_machine_only


@pytest.mark.parametrize(
    ("text", "name", "port"),
    [
        ("localhost", "localhost", None),
        ("LocalHost:5000", "localhost", 5000),
        ("app.localhost.:80", "app.localhost", 80),
        ("mirror.example.com:", "mirror.example.com", None),
        ("my_host", "my_host", None),
        ("127.0.0.1:5000", "127.0.0.1", 5000),
        ("[::1]", "::1", None),
        ("[0:0:0:0:0:0:0:1]:5000", "::1", 5000),
        ("[::1%25lo]:5000", "::1", 5000),
        ("[fe80::1%eth0]", "fe80::1", None),
        ("[::ffff:127.0.0.1]:1", "127.0.0.1", 1),
    ],
)
def test_a_host_and_a_port_are_parsed(text: str, name: str, port: int | None) -> None:
    assert Host.parse(text) == Host(name, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        ":5000",
        "a b",
        "localhost:port",
        "localhost:123456",
        "localhost:5000:5000",
        "localhost@evil.example",
        "evil.example#.localhost",
        "evil.example/.localhost",
        "localhost\n",
        "localhost, evil.example",
        "-a",
        "localhost..",
        "::1",
        "[::1",
        "[localhost]",
        "[127.0.0.1]x",
        "[]",
        "a" * 300,
        "\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54",
    ],
)
def test_any_other_text_is_no_host(text: str) -> None:
    assert Host.parse(text) is None


@pytest.mark.parametrize(
    "text", ["localhost", "a.b.localhost:1", "127.0.0.1", "127.8.9.10:5000", "[::1]", "127.0.0.1."]
)
def test_names_and_addresses_of_the_loopback_interface(text: str) -> None:
    host = Host.parse(text)
    assert host is not None
    assert host.is_loopback


@pytest.mark.parametrize(
    "text",
    [
        "evil.example",
        "localhost.evil.example",
        "notlocalhost",
        "127.0.0.1.evil.example",
        "128.0.0.1",
        "0.0.0.0",  # noqa: S104 - not listened at
        "[::2]",
        "2130706433",
    ],
)
def test_other_names_and_addresses_are_not_loopback(text: str) -> None:
    host = Host.parse(text)
    assert host is not None
    assert not host.is_loopback


def test_addresses_of_sockets() -> None:
    for text in ("127.0.0.1", "127.1.2.3", "::1", "::1%lo", "::ffff:127.0.0.1"):
        assert is_loopback_address(text), text
    for text in ("0.0.0.0", "::", "10.0.0.1", "fe80::1%lo", "localhost", ""):  # noqa: S104
        assert not is_loopback_address(text), text


@pytest.mark.parametrize(
    ("address", "url", "has_proxies", "only"),
    [
        ("127.0.0.1", None, False, True),
        ("::1", "http://localhost:5000", False, True),
        ("0.0.0.0", None, False, False),  # noqa: S104
        ("::", "http://localhost:5000", False, False),
        ("10.0.0.1", None, False, False),
        # A proxy forwards the requests of other machines to a server on loopback.
        ("127.0.0.1", None, True, False),
        ("127.0.0.1", "https://mirror.example.com", False, False),
    ],
)
def test_reach_of_a_server(address: str, url: str | None, has_proxies: bool, only: bool) -> None:
    assert serves_this_machine_only(address, url=url, has_proxies=has_proxies) is only
