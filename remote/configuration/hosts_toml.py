"""``hosts.toml`` of containerd, which Docker reads as well: what it says about a registry itself.

The mirrors in such a file are for clients that send the registry in the parameter ``ns``, so they
are not used. Source: containerd, docs/hosts.md.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn, final

from store.errors import InvalidInput, printable
from store.files.text_files import read_text_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

NAME: Final = "hosts.toml"
MAX_FILES: Final = 1000
"""The most certificates in a file."""

_PAIR: Final = 2
_HINT: Final = "see docs/hosts.md of containerd"


@final
@dataclass(frozen=True, slots=True)
class HostFacts:
    """What a file says about a registry itself.

    Attributes:
        authorities: Files with authorities to trust besides those of the system.
        pairs: Certificates of this machine, each with its key, which may be in the same file.
        skip_verify: Whether the certificate of the registry need not be trusted.
    """

    authorities: tuple[Path, ...] = ()
    pairs: tuple[tuple[Path, Path], ...] = ()
    skip_verify: bool = False


def host_facts(folder: Path, registry: str) -> HostFacts:
    """Return what ``hosts.toml`` in the folder of a registry says about the registry itself.

    Args:
        folder: The folder of the registry. It need not have such a file.
        registry: The registry as references name it.

    Raises:
        InvalidInput: The file is not valid.
        PermissionDenied: The file may not be read.
        Unavailable: The file cannot be read.
    """
    path = folder / NAME
    if not path.is_file():
        return HostFacts()
    name = printable(str(path))
    try:
        document = tomllib.loads(read_text_file(path))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        _refuse(name, str(error) or "it is nested too deeply")
    found = [_facts(table, folder, name) for table in _tables(document, registry, name)]
    facts = HostFacts(
        tuple(one for each in found for one in each.authorities),
        tuple(one for each in found for one in each.pairs),
        any(each.skip_verify for each in found),
    )
    if len(facts.authorities) + len(facts.pairs) > MAX_FILES:
        _refuse(name, f"it names more than {MAX_FILES} files")
    return facts


def _tables(document: Mapping[str, Any], registry: str, name: str) -> Iterator[Mapping[str, Any]]:
    """Yield the tables about the registry itself: that of the server, and those of its host."""
    server = document.get("server", registry)
    if not isinstance(server, str):
        _refuse(name, "server is not a string")
    if _host(server) == registry or registry == "docker.io":
        yield document
    hosts = document.get("host", {})
    if not isinstance(hosts, dict):
        _refuse(name, "host is not a table")
    for url, table in hosts.items():
        if not isinstance(table, dict):
            _refuse(name, f"host.{printable(url[:100])!r} is not a table")
        if _host(url) == registry:
            yield table


def _facts(table: Mapping[str, Any], folder: Path, name: str) -> HostFacts:
    skip_verify = table.get("skip_verify", False)
    if not isinstance(skip_verify, bool):
        _refuse(name, "skip_verify is not true or false")
    authorities = table.get("ca", [])
    authorities = [authorities] if isinstance(authorities, str) else authorities
    if not isinstance(authorities, list) or not all(isinstance(one, str) for one in authorities):
        _refuse(name, "ca is not a string or an array of strings")
    pairs = table.get("client", [])
    pairs = [pairs] if isinstance(pairs, str) else pairs
    if not isinstance(pairs, list):
        _refuse(name, "client is not a string or an array")
    return HostFacts(
        # A relative path begins in the folder of the file.
        tuple(folder / one for one in authorities),
        tuple(_pair(one, folder, name) for one in pairs),
        skip_verify,
    )


def _pair(value: object, folder: Path, name: str) -> tuple[Path, Path]:
    files = [value, value] if isinstance(value, str) else value
    if (
        not isinstance(files, list)
        or len(files) != _PAIR
        or not all(isinstance(one, str) for one in files)
    ):
        _refuse(name, "client is not a file, or a certificate with its key")
    certificate, key = files
    # containerd accepts an empty key for one that is in the file of the certificate.
    return folder / certificate, folder / (key or certificate)


def _host(url: str) -> str:
    return url.rpartition("://")[2].partition("/")[0].lower()


def _refuse(name: str, fact: str) -> NoReturn:
    raise InvalidInput(f"invalid file {name}: {fact}", hint=_HINT)
