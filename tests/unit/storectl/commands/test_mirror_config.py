"""`mirror-config`: a configuration file for each client, in that client's syntax."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.fake_shell import Shell

URL = "http://mirror.example:5000"


def without_notes(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))


def test_the_configuration_for_docker_is_json(shell: Shell) -> None:
    text = shell("mirror-config", "docker", URL, "--upstream", "docker.io", "--upstream", "quay.io")
    assert json.loads(without_notes(text)) == {
        "registry-mirrors": [URL],
        "insecure-registries": ["mirror.example:5000"],
    }
    assert "mirror.example:5000/quay.io/NAME" in text


def test_the_configuration_for_containerd_is_toml(shell: Shell) -> None:
    document = tomllib.loads(without_notes(shell("mirror-config", "containerd", URL)))
    assert document == {
        "server": "https://registry-1.docker.io",
        "host": {URL: {"capabilities": ["pull", "resolve"]}},
    }


@pytest.mark.parametrize("client", ["podman", "cri-o"])
def test_the_configuration_for_podman_is_toml(client: str, shell: Shell) -> None:
    mirror = {"location": "mirror.example:5000/quay.io", "insecure": True}
    assert tomllib.loads(
        without_notes(shell("mirror-config", client, URL, "--upstream", "quay.io"))
    ) == {"registry": [{"prefix": "quay.io", "location": "quay.io", "mirror": [mirror]}]}


def test_the_configuration_for_k3s_names_the_endpoint(shell: Shell) -> None:
    assert shell("mirror-config", "k3s", URL).splitlines()[1:] == [
        "mirrors:",
        '  "docker.io":',
        "    endpoint:",
        f'      - "{URL}"',
    ]


@pytest.mark.parametrize(
    "url",
    [
        ":5000",
        "http://",
        "ftp://x",
        "http://x/y",
        "http://x?y",
        "http://user:word@x",
        "http://x:99999",
        'http://x"',
        "http://[x]",
    ],
)
def test_invalid_urls_are_refused(url: str, shell: Shell) -> None:
    shell("mirror-config", "docker", url, code=2)
    assert shell.out == ""


@pytest.mark.parametrize("domain", ["", "corp", 'a.b"', "quay.io/team", "quay.io\n[x]"])
def test_invalid_upstreams_are_refused(domain: str, shell: Shell) -> None:
    shell("mirror-config", "podman", URL, "--upstream", domain, code=2)
    assert shell.out == ""


@pytest.mark.parametrize(
    "url",
    [
        "http://[::1]:5000",
        "https://mirror.example",
        "mirror",
        "10.0.0.1:80",
        "https://mirror.example/",
    ],
)
def test_valid_urls_are_accepted(url: str, shell: Shell) -> None:
    assert shell("mirror-config", "docker", url)
