"""The Docker engine that a command reaches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remote.engine.connection import socket_path
from remote.engine.docker import DockerEngine

if TYPE_CHECKING:
    from storectl.settings import Settings


def docker_engine(settings: Settings) -> DockerEngine:
    """Return the engine of ``DOCKER_HOST``, else that of docker's usual socket.

    Args:
        settings: The settings of the run.

    Raises:
        InvalidInput: ``DOCKER_HOST`` is not a socket of this machine.
    """
    return DockerEngine(socket_path(settings.environment.get("DOCKER_HOST", "")))
