"""``hosts.toml``: the mirror before the registry, or in its place."""

from __future__ import annotations

import tomllib
from dataclasses import replace

from storectl.client_config.hosts_toml import host_files
from storectl.client_config.mirror import Login, Mirror

URL = "https://a.example:5000"
MIRROR = Mirror(URL, ("docker.io", "b.example:443"))
LOGIN = {"Authorization": "Basic YWxpY2U6d29yZA=="}


def documents(mirror: Mirror, *, has_referrers: bool = False) -> dict[str, object]:
    files = host_files(mirror, "/certs.d", has_referrers=has_referrers)
    return {file.path: tomllib.loads(file.text) for file in files if file.is_main}


def test_each_registry_has_a_file_that_names_the_mirror_and_the_registry() -> None:
    host = {URL: {"capabilities": ["pull", "resolve"]}}
    assert documents(MIRROR) == {
        "/certs.d/docker.io/hosts.toml": {
            "server": "https://registry-1.docker.io",
            "host": host,
        },
        "/certs.d/b.example:443/hosts.toml": {"server": "https://b.example:443", "host": host},
    }


def test_client_that_knows_referrers_asks_the_mirror_for_them() -> None:
    for found in documents(MIRROR, has_referrers=True).values():
        assert isinstance(found, dict)
        assert found["host"][URL]["capabilities"] == ["pull", "resolve", "referrers"]


def test_certificates_stand_in_the_folder_of_the_mirror() -> None:
    *hosts, certificates = host_files(
        replace(MIRROR, authority="PEM\n", login=Login("alice", "word")),
        "/certs.d",
        has_referrers=False,
    )
    assert certificates.path == "/certs.d/a.example:5000/ca.crt"
    assert not certificates.is_secret
    for file in hosts:
        assert file.is_secret
        found = tomllib.loads(file.text)["host"][URL]
        assert found["ca"] == "../a.example:5000/ca.crt"
        assert found["header"] == LOGIN


def test_sealed_client_knows_no_other_server() -> None:
    sealed = replace(
        MIRROR, is_sealed=True, authority="PEM\n", login=Login("alice", "word"), upstreams=("c.d",)
    )
    assert documents(sealed) == {
        "/certs.d/c.d/hosts.toml": {
            "server": URL,
            "capabilities": ["pull", "resolve"],
            "ca": "../a.example:5000/ca.crt",
            "header": LOGIN,
            "host": {},
        }
    }
