"""Docker: ``daemon.json`` for all versions, ``hosts.toml`` since Docker 28."""

from __future__ import annotations

import json
import tomllib

import pytest

from storectl.client_config.docker import docker
from storectl.client_config.mirror import Login, Mirror, Unsupported

URL = "https://a.example:5000"
HTTP = "http://a.example:5000"


def test_daemon_json_names_the_mirror() -> None:
    (file,) = docker(Mirror(HTTP)).files
    assert file.path == "/etc/docker/daemon.json"
    assert json.loads(file.text) == {
        "registry-mirrors": [HTTP],
        "insecure-registries": ["a.example:5000"],
    }


def test_other_registries_than_docker_hub_are_pulled_by_a_longer_name() -> None:
    found = docker(Mirror(URL, ("quay.io", "b.example:5000")))
    assert json.loads(found.files[0].text) == {}
    assert "a.example:5000/quay.io/NAME" in found.notes[1]
    assert "a.example:5000/b.example_5000/NAME" in found.notes[2]


def test_certificates_and_login_are_files_of_their_own() -> None:
    files = docker(Mirror(URL, authority="PEM\n", login=Login("a", "b"))).files
    assert [(file.path, file.is_secret) for file in files] == [
        ("/etc/docker/daemon.json", False),
        ("/etc/docker/certs.d/a.example:5000/ca.crt", False),
        ("/root/.docker/config.json", True),
    ]


def test_registry_mirrors_cannot_be_sealed() -> None:
    with pytest.raises(Unsupported):
        docker(Mirror(URL, is_sealed=True))


def test_docker_28_reads_hosts_toml_with_the_image_store_of_containerd() -> None:
    hosts, daemon = docker(Mirror(URL, version=(28, 0))).files
    assert hosts.path == "/etc/docker/certs.d/docker.io/hosts.toml"
    assert tomllib.loads(hosts.text)["host"][URL]["capabilities"] == ["pull", "resolve"]
    assert json.loads(daemon.text) == {"features": {"containerd-snapshotter": True}}
    assert not daemon.is_main


def test_docker_29_has_that_image_store_and_asks_for_referrers() -> None:
    found = docker(Mirror(URL, version=(29, 1), is_sealed=True))
    (hosts,) = found.files
    assert any("upgraded to Docker 29" in note for note in found.notes)
    assert tomllib.loads(hosts.text) == {
        "server": URL,
        "capabilities": ["pull", "resolve", "referrers"],
        "host": {},
    }
