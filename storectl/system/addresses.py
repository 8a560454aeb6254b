"""Addresses on the command line: names of registries and URLs of servers."""

from __future__ import annotations

import re
from typing import Final

_SERVER: Final = re.compile(
    r"https?://(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
)
_MAX_PORT: Final = 65535


def is_host(text: str) -> bool:
    """Return whether ``text`` is a host name or an address, without a port.

    An IPv6 address may stand in brackets or without them.
    """
    from mirror.origin.hosts import Host  # noqa: PLC0415 - `--help` does without

    host = Host.parse(in_url(text))
    return host is not None and host.port is None and not text.endswith(":")


def in_url(host: str) -> str:
    """Return a host as it stands in a URL: an IPv6 address is in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def is_registry(domain: str) -> bool:
    """Return whether an image name can begin with ``domain`` as its registry.

    For example ``corp`` is not a registry: in ``corp/name`` it is part of a path on Docker Hub.
    """
    from store.errors import StoreError  # noqa: PLC0415 - `--help` does without
    from store.model.references import Repository  # noqa: PLC0415

    try:
        return Repository.parse(f"{domain}/name").domain == domain
    except StoreError:
        return False


def is_server(url: str) -> bool:
    """Return whether ``url`` is ``http[s]://HOST[:PORT]``, without a path, query or user."""
    match = _SERVER.fullmatch(url)
    return match is not None and int(match["port"] or 0) <= _MAX_PORT
