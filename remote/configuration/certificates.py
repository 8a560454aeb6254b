"""Certificates for registries in the folders ``certs.d`` of docker, podman and containerd.

A folder ``HOST`` or ``HOST:PORT`` holds authorities (``*.crt``) and certificates of this machine
(``*.cert``), each with its key (``*.key``). Source: docker, "Verify repository client with
certificates"; containers-certs.d(5).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from remote.configuration.hosts_toml import host_facts
from store.errors import InvalidInput, PermissionDenied, printable
from store.files.os_errors import reading_input

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

logger = logging.getLogger(__name__)

MAX_FILES: Final = 1000
"""The most files in the folder of a registry."""

_SYSTEM_FOLDERS: Final = (
    "/etc/containers/certs.d",
    "/etc/docker/certs.d",
    "/etc/containerd/certs.d",
)


@final
@dataclass(frozen=True, slots=True)
class Certificates:
    """The certificates for one registry.

    Attributes:
        authorities: Files with authorities to trust besides those of the system.
        pairs: Certificates of this machine, each with its key.
        skip_verify: Whether the certificate of the registry need not be trusted.
    """

    authorities: tuple[Path, ...] = ()
    pairs: tuple[tuple[Path, Path], ...] = ()
    skip_verify: bool = False


def certificate_folders(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the folders ``certs.d`` of the user and of the system.

    Args:
        environment: The environment variables.
    """
    home = environment.get("HOME", "")
    config = environment.get("XDG_CONFIG_HOME") or (f"{home}/.config" if home else "")
    own = (f"{config}/containers/certs.d", f"{config}/docker/certs.d") if config else ()
    return tuple(Path(folder) for folder in (*own, *_SYSTEM_FOLDERS))


def certificates_for(registry: str, folders: Iterable[Path]) -> Certificates:
    """Return the certificates for a registry in all folders together.

    Args:
        registry: The registry as references name it.
        folders: The folders ``certs.d``. They need not exist.

    Raises:
        InvalidInput: A certificate of this machine has no key, a folder has too many files, or
            ``hosts.toml`` is not valid.
        Unavailable: A folder cannot be read.
    """
    if "/" in registry or registry in ("", ".", ".."):
        return Certificates()
    places = [folder / registry for folder in folders]
    found = [certificates_in(place) for place in places]
    facts = [host_facts(place, registry) for place in places]
    authorities = [path for one in found for path in one.authorities]
    authorities += [path for one in facts for path in one.authorities]
    pairs = [pair for one in found for pair in one.pairs]
    pairs += [pair for one in facts for pair in one.pairs]
    # A file that hosts.toml names is often in the same folder.
    return Certificates(
        tuple(dict.fromkeys(authorities)),
        tuple(dict.fromkeys(pairs)),
        any(one.skip_verify for one in facts),
    )


def certificates_in(folder: Path) -> Certificates:
    """Return the certificates in a folder for one registry; none if it does not exist.

    Args:
        folder: The folder that holds the files.

    Raises:
        InvalidInput: A certificate of this machine has no key, or the folder has too many files.
        Unavailable: The folder cannot be read.
    """
    try:
        with reading_input(folder):
            names = sorted(path.name for path in islice(folder.iterdir(), MAX_FILES + 1))
    except InvalidInput:
        # No such folder.
        return Certificates()
    except PermissionDenied as error:
        # As in podman: other users may have no need for these certificates.
        logger.warning("cannot read certificates: %s", error.message)
        return Certificates()
    if len(names) > MAX_FILES:
        raise InvalidInput(f"invalid folder {printable(str(folder))}: more than {MAX_FILES} files")
    present = frozenset(names)
    pairs = []
    for name in names:
        if not name.endswith(".cert"):
            continue
        key = f"{name.removesuffix('.cert')}.key"
        if key not in present:
            raise InvalidInput(
                f"invalid folder {printable(str(folder))}: the certificate {printable(name)} has no"
                f" key {printable(key)}",
                hint="add the key, or remove the certificate",
            )
        pairs.append((folder / name, folder / key))
    authorities = tuple(folder / name for name in names if name.endswith(".crt"))
    return Certificates(authorities, tuple(pairs))
