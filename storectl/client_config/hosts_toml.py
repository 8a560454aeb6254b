"""``hosts.toml`` of containerd, which Docker with the image store of containerd reads, too.

Both send the registry of an image in the parameter ``ns``, so the mirror needs no path. Source:
containerd, docs/hosts.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from storectl.client_config.mirror import (
    DOCKER_HUB,
    ClientFile,
    authorities,
    joined,
    quoted,
    quoted_list,
)

if TYPE_CHECKING:
    from storectl.client_config.mirror import Mirror

_SERVERS: Final = {DOCKER_HUB: "https://registry-1.docker.io"}


def host_files(mirror: Mirror, folder: str, *, has_referrers: bool) -> tuple[ClientFile, ...]:
    """Return a file for each upstream, and the certificates that these files name.

    Args:
        mirror: The mirror.
        folder: The folder that has a folder for each registry.
        has_referrers: Whether the client knows the capability ``referrers``. A client that does not
            know it ignores the whole file.
    """
    capabilities = ["pull", "resolve", *(["referrers"] if has_referrers else [])]
    return (
        *(
            ClientFile(
                f"{folder}/{upstream}/hosts.toml",
                joined(_lines(mirror, upstream, capabilities)),
                is_secret=mirror.login is not None,
            )
            for upstream in mirror.upstreams
        ),
        # In this folder, the certificates also prove the mirror when it stands in a name.
        *authorities(f"{folder}/{mirror.host}/ca.crt", mirror),
    )


def _lines(mirror: Mirror, upstream: str, capabilities: list[str]) -> list[str]:
    facts = [f"capabilities = {quoted_list(capabilities)}"]
    if mirror.authority is not None:
        # A relative path begins in the folder of this file.
        facts.append(f"ca = {quoted(f'../{mirror.host}/ca.crt')}")
    header = mirror.login and f"Authorization = {quoted(f'Basic {mirror.login.basic}')}"
    if mirror.is_sealed:
        # The client asks only the server. containerd 1 ignores a file without the table [host].
        return [
            f"server = {quoted(mirror.url)}",
            *facts,
            *(["", "[header]", f"  {header}"] if header else []),
            "",
            "[host]",
        ]
    table = f"host.{quoted(mirror.url)}"
    return [
        f"server = {quoted(_SERVERS.get(upstream, f'https://{upstream}'))}",
        "",
        f"[{table}]",
        *(f"  {fact}" for fact in facts),
        *(["", f"  [{table}.header]", f"    {header}"] if header else []),
    ]
