"""The files in which docker and podman keep credentials, in the order in which they are read.

Source: containers-auth.json(5); docker/cli, cli/config.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import Mapping

AUTH_VARIABLE: Final = "DOCKER_AUTH_CONFIG"
"""The environment variable whose value is the text of a file of docker."""


@final
class Kind(Enum):
    """The program that owns a file, which decides how keys are written."""

    DOCKER = auto()
    """``config.json`` of docker, which has settings beside the credentials."""

    CONTAINERS = auto()
    """``auth.json`` of podman, buildah and skopeo."""

    DOCKERCFG = auto()
    """``.dockercfg`` of docker before 1.7: the entries without a member around them."""


@final
@dataclass(frozen=True, slots=True)
class AuthFile:
    """A file with credentials.

    Attributes:
        path: The file. It need not exist.
        kind: The program that owns the file.
        is_chosen: Whether the user named the file. Then it is the only one, and must exist.
    """

    path: Path
    kind: Kind
    is_chosen: bool = False


def auth_files(
    environment: Mapping[str, str], user: int, chosen: Path | None = None
) -> tuple[AuthFile, ...]:
    """Return the files to search for credentials, the first one first.

    Args:
        environment: The environment variables.
        user: The ID of the user, for the folder of a user's session.
        chosen: The file that the user named for this run, or None.
    """
    named = chosen or (
        Path(environment["REGISTRY_AUTH_FILE"]) if environment.get("REGISTRY_AUTH_FILE") else None
    )
    if named is not None:
        # A file of docker is told by its name: the two programs write some keys differently.
        kind = Kind.DOCKER if named.name == "config.json" else Kind.CONTAINERS
        return (AuthFile(named, kind, is_chosen=True),)
    home = environment.get("HOME", "")
    runtime = environment.get("XDG_RUNTIME_DIR") or f"/run/containers/{user}"
    config = environment.get("XDG_CONFIG_HOME") or (f"{home}/.config" if home else "")
    docker = environment.get("DOCKER_CONFIG") or (f"{home}/.docker" if home else "")
    places = (
        (runtime, "containers/auth.json", Kind.CONTAINERS),
        (config, "containers/auth.json", Kind.CONTAINERS),
        (docker, "config.json", Kind.DOCKER),
        (home, ".dockercfg", Kind.DOCKERCFG),
    )
    return tuple(AuthFile(Path(folder, name), kind) for folder, name, kind in places if folder)
