"""containerd: the keys of its versions."""

from __future__ import annotations

import tomllib

import pytest

from storectl.client_config.containerd import CONFIG, containerd
from storectl.client_config.mirror import Mirror, Version

URL = "http://a.example:5000"


@pytest.mark.parametrize(
    ("version", "number", "plugin", "capabilities"),
    [
        (None, 2, "io.containerd.grpc.v1.cri", ["pull", "resolve"]),
        ((1, 6), 2, "io.containerd.grpc.v1.cri", ["pull", "resolve"]),
        ((2, 0), 3, "io.containerd.cri.v1.images", ["pull", "resolve"]),
        ((2, 2), 3, "io.containerd.cri.v1.images", ["pull", "resolve", "referrers"]),
    ],
)
def test_each_version_gets_its_keys(
    version: Version | None, number: int, plugin: str, capabilities: list[str]
) -> None:
    found = containerd(Mirror(URL, version=version))
    hosts, config = found.files
    assert tomllib.loads(hosts.text)["host"][URL] == {"capabilities": capabilities}
    assert (config.path, config.is_main) == (CONFIG, False)
    assert tomllib.loads(config.text) == {
        "version": number,
        "plugins": {plugin: {"registry": {"config_path": "/etc/containerd/certs.d"}}},
    }
    assert any("--client-version 2.2" in note for note in found.notes) == (version != (2, 2))
