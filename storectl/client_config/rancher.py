"""``registries.yaml`` of k3s and rke2, from which they make containerd's ``hosts.toml``.

Source: K3s, "Private Registry Configuration"; RKE2, "Containerd Registry Configuration".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from storectl.client_config.mirror import (
    ClientFile,
    Configuration,
    authorities,
    joined,
    quoted,
)

if TYPE_CHECKING:
    from storectl.client_config.mirror import Mirror


def k3s(mirror: Mirror) -> Configuration:
    """Return the configuration of k3s."""
    return _configuration(mirror, "k3s", services="k3s (on agents: k3s-agent)")


def rke2(mirror: Mirror) -> Configuration:
    """Return the configuration of RKE2."""
    return _configuration(mirror, "rke2", services="rke2-server (on agents: rke2-agent)")


def _configuration(mirror: Mirror, name: str, *, services: str) -> Configuration:
    folder = f"/etc/rancher/{name}"
    certificates = f"{folder}/storectl-ca.crt"
    lines = ["mirrors:"]
    for upstream in mirror.upstreams:
        lines += [f"  {quoted(upstream)}:", "    endpoint:", f"      - {quoted(mirror.url)}"]
    if mirror.login or mirror.authority is not None:
        lines += ["configs:", f"  {quoted(mirror.host)}:"]
    if mirror.login:
        lines += [
            "    auth:",
            f"      username: {quoted(mirror.login.user)}",
            f"      password: {quoted(mirror.login.password)}",
        ]
    if mirror.authority is not None:
        lines += ["    tls:", f"      ca_file: {quoted(certificates)}"]
    sealed = ClientFile(
        f"{folder}/config.yaml.d/storectl.yaml",
        "disable-default-registry-endpoint: true\n",
        is_main=False,
    )
    return Configuration(
        (
            ClientFile(f"{folder}/registries.yaml", joined(lines), is_secret=bool(mirror.login)),
            *authorities(certificates, mirror),
            *([sealed] if mirror.is_sealed else []),
        ),
        (f"on every node, run: systemctl restart {services}",),
    )
