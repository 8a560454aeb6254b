"""The transports: the kinds of places that hold images, each with the prefix of its names.

Source: containers-transports(5), which skopeo, podman and buildah follow.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, final


@final
class Transport(Enum):
    """A kind of place that holds images. The value is the prefix of names in such a place."""

    REGISTRY = "docker://"
    """A registry: ``docker://[REGISTRY/]NAME[:TAG][@DIGEST]``."""

    STORE = "store:"
    """The local store: ``store:NAME``, where NAME may be an ID as well."""

    LAYOUT = "oci:"
    """A folder with an OCI image layout: ``oci:DIR[:NAME]``."""

    OCI_ARCHIVE = "oci-archive:"
    """A tar archive of an OCI image layout: ``oci-archive:FILE[:NAME]``."""

    DOCKER_ARCHIVE = "docker-archive:"
    """An archive of ``docker save``: ``docker-archive:FILE[:NAME:TAG]``."""

    FOLDER = "dir:"
    """A folder with the manifest and the blobs of one image: ``dir:DIR``."""

    DAEMON = "docker-daemon:"
    """A Docker engine: ``docker-daemon:NAME[:TAG]``, or ``docker-daemon:sha256:ID``."""

    HOST = "ssh://"
    """A store on another machine: ``ssh://[USER@]HOST[:PORT][/ROOT][::NAME]``."""

    REGISTRY_TREE = "registry-tree:"
    """The files of a registry's storage: ``registry-tree:DIR[:NAME]``."""


FORMS: Final = {
    Transport.REGISTRY: "docker://[REGISTRY/]NAME[:TAG][@DIGEST]",
    Transport.STORE: "store:NAME",
    Transport.LAYOUT: "oci:DIR[:NAME]",
    Transport.OCI_ARCHIVE: "oci-archive:FILE[:NAME]",
    Transport.DOCKER_ARCHIVE: "docker-archive:FILE[:NAME:TAG]",
    Transport.FOLDER: "dir:DIR",
    Transport.DAEMON: "docker-daemon:NAME[:TAG]",
    Transport.HOST: "ssh://[USER@]HOST[:PORT][/ROOT][::NAME]",
    Transport.REGISTRY_TREE: "registry-tree:DIR[:NAME]",
}
"""The form of the names of every transport, for hints and help texts."""

UNSUPPORTED: Final = frozenset(
    ("atomic", "containers-storage", "docker-tar", "ostree", "sif", "tarball")
)
"""Transports of other tools that storectl does not have."""

PREFIXES: Final = ", ".join(transport.value for transport in Transport)
"""The prefixes of all transports, for messages."""


def split_transport(text: str) -> tuple[Transport | None, str]:
    """Return the transport that a name begins with, and the part after the prefix.

    Args:
        text: The name, as the user wrote it.

    Returns:
        The transport, or None if the name begins with none; then the second part is the whole name.
        ``docker:dind`` has no transport: it is an image with a tag, because the prefix is
        ``docker://``.
    """
    for transport in Transport:
        if text.startswith(transport.value):
            return transport, text[len(transport.value) :]
    return None, text
