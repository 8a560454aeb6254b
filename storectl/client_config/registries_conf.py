"""``registries.conf`` of podman, buildah, skopeo and cri-o.

These clients append the image's path to the location and send no parameter ``ns``. So the location
names the registry. Source: containers-registries.conf(5), containers-certs.d(5), crio.conf(5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from store.formats.distribution.names import alias
from storectl.client_config.mirror import (
    ClientFile,
    Configuration,
    authorities,
    joined,
    logins,
    quoted,
)

if TYPE_CHECKING:
    from storectl.client_config.mirror import Mirror

REGISTRIES: Final = "/etc/containers/registries.conf.d/storectl.conf"
CERTIFICATES: Final = "/etc/containers/certs.d"
PODMAN_LOGINS: Final = "/root/.config/containers/auth.json"
CRIO: Final = "/etc/crio/crio.conf.d/storectl.conf"
CRIO_LOGINS: Final = "/etc/crio/storectl-auth.json"


def podman(mirror: Mirror) -> Configuration:
    """Return the configuration of podman, buildah and skopeo."""
    login = (
        [f"other users than root run: podman login --username {mirror.login.user} {mirror.host}"]
        if mirror.login
        else []
    )
    return Configuration(
        (*_registries(mirror), *logins(PODMAN_LOGINS, mirror)),
        ("podman, buildah and skopeo read the file at each command", *login),
    )


def crio(mirror: Mirror) -> Configuration:
    """Return the configuration of CRI-O."""
    auth = ["[crio.image]", f"global_auth_file = {quoted(CRIO_LOGINS)}"]
    return Configuration(
        (
            *_registries(mirror),
            *([ClientFile(CRIO, joined(auth), is_main=False)] if mirror.login else []),
            *logins(CRIO_LOGINS, mirror),
        ),
        ("run: systemctl reload crio",),
    )


def _registries(mirror: Mirror) -> tuple[ClientFile, ...]:
    tables = [line for upstream in mirror.upstreams for line in ("", *_table(mirror, upstream))]
    return (
        ClientFile(REGISTRIES, joined(tables[1:])),
        *authorities(f"{CERTIFICATES}/{mirror.host}/ca.crt", mirror),
    )


def _table(mirror: Mirror, upstream: str) -> list[str]:
    location = f"location = {quoted(f'{mirror.host}/{alias(upstream)}')}"
    insecure = ["insecure = true"] if mirror.is_insecure else []
    head = ["[[registry]]", f"prefix = {quoted(upstream)}"]
    if mirror.is_sealed:
        return [*head, location, *insecure]
    return [
        *head,
        f"location = {quoted(upstream)}",
        "",
        "[[registry.mirror]]",
        location,
        *insecure,
    ]
