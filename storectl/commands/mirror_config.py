"""``mirror-config``: configuration that makes clients use this mirror."""

from __future__ import annotations

import json
from typing import Final

import click

from storectl.system.addresses import is_registry, is_server
from storectl.verb import Verb

CLIENTS: Final = ("docker", "containerd", "podman", "k3s", "cri-o")
_UPSTREAMS: Final = {"docker.io": "https://registry-1.docker.io"}


@click.command(
    "mirror-config",
    cls=Verb,
    examples=(
        "storectl mirror-config podman mirror.example:5000",
        "storectl mirror-config containerd https://mirror.example",
    ),
)
@click.option(
    "--upstream",
    "upstreams",
    metavar="DOMAIN",
    multiple=True,
    help="Registry to mirror (repeatable).  [default: docker.io]",
)
@click.argument("client", type=click.Choice(CLIENTS))
@click.argument("mirror", default="http://127.0.0.1:5000", metavar="[URL]")
def command(client: str, mirror: str, upstreams: tuple[str, ...]) -> None:
    """Print client configuration that asks the mirror at URL first.

    A comment names the file for each part. A URL without a scheme means https.
    """
    url = mirror.rstrip("/") if "://" in mirror else f"https://{mirror.rstrip('/')}"
    host = url.partition("://")[2]
    if not is_server(url):
        raise click.UsageError(f"invalid URL {mirror!r}: expected http[s]://HOST[:PORT]")
    for one in upstreams:
        if not is_registry(one):
            raise click.UsageError(f"invalid --upstream {one!r}: expected the name of a registry")
    from storectl.output import render  # noqa: PLC0415 - `--help` does without

    for line in _WRITERS[client](url, host, upstreams or ("docker.io",)):
        render.line(line)


def _docker(url: str, host: str, upstreams: tuple[str, ...]) -> list[str]:
    config: dict[str, list[str]] = {"registry-mirrors": [url]}
    if url.startswith("http:"):
        config["insecure-registries"] = [host]
    lines = [
        "# /etc/docker/daemon.json, then: systemctl reload docker",
        *json.dumps(config, indent=2).splitlines(),
    ]
    others = [one for one in upstreams if one != "docker.io"]
    if others:
        # Docker uses mirrors only for images of Docker Hub. For images of other registries, the
        # mirror must be part of the name.
        lines += [
            f"# Docker mirrors docker.io only; pull images of {one} as {host}/{one}/NAME"
            for one in others
        ]
    return lines


def _hosts(url: str, upstreams: tuple[str, ...], folder: str) -> list[str]:
    lines: list[str] = []
    for one in upstreams:
        server = _UPSTREAMS.get(one, f"https://{one}")
        lines += [
            f"# {folder}/{one}/hosts.toml",
            f'server = "{server}"',
            "",
            f'[host."{url}"]',
            '  capabilities = ["pull", "resolve"]',
            "",
        ]
    return lines[:-1]


def _containerd(url: str, _host: str, upstreams: tuple[str, ...]) -> list[str]:
    head = [
        "# /etc/containerd/config.toml, once:",
        '# [plugins."io.containerd.grpc.v1.cri".registry]',
        '#   config_path = "/etc/containerd/certs.d"',
        "",
    ]
    return head + _hosts(url, upstreams, "/etc/containerd/certs.d")


def _podman(url: str, host: str, upstreams: tuple[str, ...]) -> list[str]:
    lines = ["# /etc/containers/registries.conf.d/storectl.conf"]
    for one in upstreams:
        # These clients append the image's path to the location and send no `ns` parameter. So the
        # location must contain the domain.
        lines += [
            "[[registry]]",
            f'prefix = "{one}"',
            f'location = "{one}"',
            "",
            "[[registry.mirror]]",
            f'location = "{host}/{one}"',
        ]
        lines += [*(["insecure = true"] if url.startswith("http:") else []), ""]
    return lines[:-1]


def _k3s(url: str, _host: str, upstreams: tuple[str, ...]) -> list[str]:
    lines = ["# /etc/rancher/k3s/registries.yaml, then: systemctl restart k3s", "mirrors:"]
    for one in upstreams:
        lines += [f'  "{one}":', "    endpoint:", f'      - "{url}"']
    return lines


_WRITERS: Final = {
    "docker": _docker,
    "containerd": _containerd,
    "podman": _podman,
    "k3s": _k3s,
    "cri-o": _podman,
}
