"""``buildkitd.toml`` of BuildKit, for ``buildkitd`` and ``docker buildx create``.

BuildKit sends the registry of an image in the parameter ``ns``, so the mirror needs no path.
Source: BuildKit, docs/buildkitd.toml.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from storectl.client_config.mirror import (
    ClientFile,
    Configuration,
    Unsupported,
    authorities,
    joined,
    logins,
    quoted,
    quoted_list,
)

if TYPE_CHECKING:
    from storectl.client_config.mirror import Mirror

CONFIG: Final = "/etc/buildkit/buildkitd.toml"
CERTIFICATES: Final = "/etc/buildkit/storectl-ca.crt"
LOGINS: Final = "/root/.docker/config.json"


def buildkit(mirror: Mirror) -> Configuration:
    """Return the configuration of BuildKit.

    Raises:
        Unsupported: The mirror is sealed, and BuildKit would ask the registry all the same.
    """
    if mirror.is_sealed:
        raise Unsupported("BuildKit always asks the registry itself if its mirrors lack an image")
    lines: list[str] = []
    for upstream in mirror.upstreams:
        lines += [
            f"[registry.{quoted(upstream)}]",
            f"  mirrors = {quoted_list([mirror.host])}",
            "",
        ]
    lines += [f"[registry.{quoted(mirror.host)}]"]
    # Without `http`, BuildKit uses HTTP for localhost, and HTTPS for all others.
    lines += [f"  http = {'true' if mirror.is_insecure else 'false'}"]
    if mirror.authority is not None:
        lines += [f"  ca = {quoted_list([CERTIFICATES])}"]
    login = (
        ["BuildKit takes the login from the client: from the docker configuration of its user"]
        if mirror.login
        else []
    )
    return Configuration(
        (
            ClientFile(CONFIG, joined(lines)),
            *authorities(CERTIFICATES, mirror),
            *logins(LOGINS, mirror),
        ),
        ("restart buildkitd, or run: docker buildx create --buildkitd-config FILE", *login),
    )
