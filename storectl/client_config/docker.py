"""Docker: ``daemon.json``; or ``hosts.toml``, which the image store of containerd reads.

Source: dockerd's reference, ``registry-mirrors``; moby, daemon/hosts.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from store.formats.distribution.names import alias
from storectl.client_config.hosts_toml import host_files
from storectl.client_config.mirror import (
    DOCKER_HUB,
    ClientFile,
    Configuration,
    Unsupported,
    authorities,
    document,
    logins,
)

if TYPE_CHECKING:
    from storectl.client_config.mirror import Mirror

DAEMON: Final = "/etc/docker/daemon.json"
CERTIFICATES: Final = "/etc/docker/certs.d"
LOGINS: Final = "/root/.docker/config.json"
_HOSTS: Final = (28, 0)
_REFERRERS: Final = (29, 1)


def docker(mirror: Mirror) -> Configuration:
    """Return the configuration of Docker Engine.

    Raises:
        Unsupported: The mirror is sealed, and Docker would ask Docker Hub all the same.
    """
    return _hosts(mirror) if mirror.is_since(*_HOSTS) else _registry_mirrors(mirror)


def _registry_mirrors(mirror: Mirror) -> Configuration:
    if mirror.is_sealed:
        raise Unsupported(
            "Docker asks Docker Hub if a registry mirror lacks an image; give --client-version 28"
            " for the image store of containerd, which asks only the mirror"
        )
    config: dict[str, list[str]] = {}
    if DOCKER_HUB in mirror.upstreams:
        config["registry-mirrors"] = [mirror.url]
    if mirror.is_insecure:
        config["insecure-registries"] = [mirror.host]
    notes = [f"run: systemctl reload docker, after a change of {DAEMON}"]
    notes += [
        f"Docker mirrors {DOCKER_HUB} only: pull images of {one} as {mirror.host}/{alias(one)}/NAME"
        for one in mirror.upstreams
        if one != DOCKER_HUB
    ]
    if mirror.login:
        notes += [
            f"Docker sends this login only to names that begin with {mirror.host}",
            f"as a mirror of {DOCKER_HUB}, the server must let anonymous clients read",
        ]
    return Configuration(
        (
            ClientFile(DAEMON, document(config)),
            *authorities(f"{CERTIFICATES}/{mirror.host}/ca.crt", mirror),
            *logins(LOGINS, mirror),
        ),
        tuple(notes),
    )


def _hosts(mirror: Mirror) -> Configuration:
    features = {"features": {"containerd-snapshotter": True}}
    files = host_files(mirror, CERTIFICATES, has_referrers=mirror.is_since(*_REFERRERS))
    if mirror.is_since(29, 0):
        return Configuration(
            files,
            (
                f"Docker reads {files[0].path} at each pull",
                (
                    "an engine that was upgraded to Docker 29 can have its former image store,"
                    " which does not read hosts.toml: if docker info does not name"
                    " io.containerd.snapshotter.v1, give no --client-version"
                ),
            ),
        )
    return Configuration(
        (*files, ClientFile(DAEMON, document(features), is_main=False)),
        (
            (
                "Docker 28 reads hosts.toml only with the image store of containerd, which"
                " containerd-snapshotter turns on; run: systemctl restart docker"
            ),
        ),
    )
