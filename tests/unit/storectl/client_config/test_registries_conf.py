"""``registries.conf``: the registry stands in the location of the mirror."""

from __future__ import annotations

import tomllib

import pytest

from storectl.client_config.mirror import Configuration, Login, Mirror
from storectl.client_config.registries_conf import crio, podman

URL = "https://a.example:5000"


def registries(found: Configuration) -> object:
    (main,) = (file for file in found.files if file.is_main)
    assert main.path == "/etc/containers/registries.conf.d/storectl.conf"
    return tomllib.loads(main.text)["registry"]


@pytest.mark.parametrize("client", [podman, crio])
def test_every_registry_has_the_mirror(client: object) -> None:
    assert callable(client)
    assert registries(client(Mirror("http://a.example:5000", ("docker.io", "b.example:443")))) == [
        {
            "prefix": "docker.io",
            "location": "docker.io",
            "mirror": [{"location": "a.example:5000/docker.io", "insecure": True}],
        },
        {
            "prefix": "b.example:443",
            "location": "b.example:443",
            # A location has no second colon, so the mirror knows the registry by its alias.
            "mirror": [{"location": "a.example:5000/b.example_443", "insecure": True}],
        },
    ]


def test_sealed_registry_is_located_at_the_mirror() -> None:
    assert registries(podman(Mirror(URL, ("host:80",), is_sealed=True))) == [
        {"prefix": "host:80", "location": "a.example:5000/host_80.registry"}
    ]


def test_certificates_and_logins_have_the_places_of_each_client() -> None:
    mirror = Mirror(URL, authority="PEM\n", login=Login("a", "b"))
    assert [file.path for file in podman(mirror).files[1:]] == [
        "/etc/containers/certs.d/a.example:5000/ca.crt",
        "/root/.config/containers/auth.json",
    ]
    _, certificates, config, login = crio(mirror).files
    assert certificates.path == "/etc/containers/certs.d/a.example:5000/ca.crt"
    assert login.is_secret
    assert tomllib.loads(config.text) == {"crio": {"image": {"global_auth_file": login.path}}}
