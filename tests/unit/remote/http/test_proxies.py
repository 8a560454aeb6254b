from __future__ import annotations

import pytest
from yarl import URL

from remote.http.proxies import NO_PROXIES, Proxies
from store.errors import InvalidInput

PROXY = "http://proxy.example:3128"


def proxy(url: str, exceptions: str = "") -> str:
    return str(Proxies(PROXY, PROXY, exceptions).proxy_for(URL(url)) or "")


def test_each_scheme_has_its_proxy() -> None:
    proxies = Proxies.of_environment({"HTTPS_PROXY": "s.example:1", "http_proxy": "http://p:2"})
    assert str(proxies.proxy_for(URL("https://r.example"))) == "http://s.example:1"
    assert str(proxies.proxy_for(URL("http://r.example"))) == "http://p:2"
    assert NO_PROXIES.proxy_for(URL("https://r.example")) is None


def test_capitals_win_and_requests_of_web_servers_set_no_proxy() -> None:
    environment = {"HTTP_PROXY": "http://a", "http_proxy": "http://b", "NO_PROXY": "x"}
    assert Proxies.of_environment(environment) == Proxies("http://a", "", "x")
    assert Proxies.of_environment({**environment, "REQUEST_METHOD": "GET"}).http == ""


@pytest.mark.parametrize(
    ("url", "exceptions"),
    [
        ("https://localhost:5000", ""),
        ("https://127.8.9.1", ""),
        ("https://[::1]:5000", ""),
        ("https://r.example", "*"),
        ("https://r.example", "other, r.example"),
        ("https://R.EXAMPLE.", "r.example"),
        ("https://a.r.example", "r.example"),
        ("https://a.r.example", ".r.example"),
        ("https://a.r.example", "*.r.example"),
        ("https://r.example:8443", "r.example:8443"),
        ("https://10.1.2.3", "10.0.0.0/8"),
        ("https://10.1.2.3", "10.1.2.3"),
        ("https://[fd00::5]", "fd00::/8"),
        ("https://[fd00::5]:8443", "[fd00::5]:8443"),
    ],
)
def test_exceptions(url: str, exceptions: str) -> None:
    assert proxy(url, exceptions) == ""


@pytest.mark.parametrize(
    ("url", "exceptions"),
    [
        ("https://r.example", ""),
        ("https://r.example", " , "),
        ("https://notr.example", "r.example"),
        ("https://r.example:8443", "r.example:443"),
        ("https://11.1.2.3", "10.0.0.0/8"),
        ("https://r.example", "10.0.0.0/8,bad/net"),
        ("https://10.1.2.34", "10.1.2.3"),
    ],
)
def test_other_hosts_use_the_proxy(url: str, exceptions: str) -> None:
    assert proxy(url, exceptions) == PROXY


@pytest.mark.parametrize("text", ["socks5://p:1", "http://", "http://[::1"])
def test_proxies_that_cannot_be_used(text: str) -> None:
    with pytest.raises(InvalidInput, match="invalid proxy"):
        Proxies(https=text).proxy_for(URL("https://r.example"))


def test_passwords_are_not_printed() -> None:
    assert "secret" not in repr(Proxies("http://me:secret@p", "http://me:secret@p"))
    with pytest.raises(InvalidInput) as raised:
        Proxies(https="socks5://me:secret@p").proxy_for(URL("https://r.example"))
    assert "secret" not in raised.value.message
