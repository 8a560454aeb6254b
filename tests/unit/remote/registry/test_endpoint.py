from __future__ import annotations

import pytest

from remote.http.settings import RegistrySettings
from remote.registry.endpoint import Endpoint, is_loopback
from store.errors import InvalidReference

USUAL = RegistrySettings()


def urls(registry: str, settings: RegistrySettings = USUAL) -> list[str]:
    return [str(url) for url in Endpoint.of(registry, settings).candidates]


def test_registries_have_tls() -> None:
    assert urls("r.example") == ["https://r.example/v2/"]
    assert urls("r.example:5000") == ["https://r.example:5000/v2/"]


def test_docker_hub_is_reached_under_another_name() -> None:
    assert urls("docker.io") == urls("index.docker.io") == ["https://registry-1.docker.io/v2/"]


@pytest.mark.parametrize("host", ["localhost:5000", "127.0.0.1:5000", "127.8.8.8", "a.localhost"])
def test_this_machine_may_lack_tls(host: str) -> None:
    assert urls(host) == [f"https://{host}/v2/", f"http://{host}/v2/"]


def test_settings_of_a_registry() -> None:
    assert urls("r.example", RegistrySettings(plain_http=True)) == ["http://r.example/v2/"]
    assert urls("r.example", RegistrySettings(tls_verify=False)) == [
        "https://r.example/v2/",
        "http://r.example/v2/",
    ]
    assert urls("r.example", RegistrySettings(address="m.example:1")) == ["https://m.example:1/v2/"]


@pytest.mark.parametrize(
    "name", ["", "a b", "me@r.example", "r.example/x", "r.example?x", "r.example#x", "r:x", "\\"]
)
def test_names_that_are_not_hosts(name: str) -> None:
    with pytest.raises(InvalidReference, match="invalid registry name"):
        Endpoint.of(name, USUAL)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("[::1]", True), ("LOCALHOST.", True), ("10.0.0.1", False), ("notlocalhost", False)],
)
def test_loopback(host: str, *, expected: bool) -> None:
    assert is_loopback(host) is expected
