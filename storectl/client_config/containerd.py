"""containerd: ``hosts.toml`` for each registry, and the path of the folder with these files.

Source: containerd, docs/hosts.md and docs/cri/registry.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from storectl.client_config.hosts_toml import host_files
from storectl.client_config.mirror import ClientFile, Configuration, joined

if TYPE_CHECKING:
    from storectl.client_config.mirror import Mirror

HOSTS: Final = "/etc/containerd/certs.d"
CONFIG: Final = "/etc/containerd/conf.d/storectl.toml"
_IMPORTS: Final = 'imports = ["/etc/containerd/conf.d/*.toml"]'
_REFERRERS: Final = (2, 2)
_PLUGINS: Final = {2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.images"}


def containerd(mirror: Mirror) -> Configuration:
    """Return the configuration of containerd."""
    # containerd 2 migrates a configuration of version 2, so all versions read it.
    number = 3 if mirror.is_since(2, 0) else 2
    config = [
        f"version = {number}",
        "",
        f'[plugins."{_PLUGINS[number]}".registry]',
        f'  config_path = "{HOSTS}"',
    ]
    notes = [
        f"containerd before 2.2 reads {CONFIG} only if config.toml has {_IMPORTS}",
        "restart containerd if config_path is new; it reads hosts.toml at each pull",
        f"ctr needs the option --hosts-dir {HOSTS}",
    ]
    if not mirror.is_since(*_REFERRERS):
        notes += ["containerd 2.2 can also ask the mirror for referrers: give --client-version 2.2"]
    return Configuration(
        (
            *host_files(mirror, HOSTS, has_referrers=mirror.is_since(*_REFERRERS)),
            ClientFile(CONFIG, joined(config), is_main=False),
        ),
        tuple(notes),
    )
