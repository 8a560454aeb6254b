"""Addresses on the command line: names of registries, and where servers are found."""

from __future__ import annotations

import re
from typing import Final

_SERVER: Final = re.compile(
    r"https?://(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
)
_LARGEST_PORT: Final = 65535


def is_registry(domain: str) -> bool:
    """Whether a name that begins with ``domain`` belongs to a registry of that name: ``corp`` would be read as a part of a path at Docker Hub."""
    from store.errors import StoreError  # noqa: PLC0415 - `--help` does without
    from store.model.references import Repository  # noqa: PLC0415

    try:
        return Repository.parse(f"{domain}/name").domain == domain
    except StoreError:
        return False


def is_server(url: str) -> bool:
    """Whether ``url`` is ``http[s]://HOST[:PORT]`` and no more."""
    match = _SERVER.fullmatch(url)
    return match is not None and int(match["port"] or 0) <= _LARGEST_PORT
