"""Values for the places of images, one class for each transport; `str` spells the name again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, final

from remote.names.transports import Transport

if TYPE_CHECKING:
    from pathlib import Path

    from store.model.digests import Digest
    from store.model.references import Reference


@final
@dataclass(frozen=True, slots=True)
class RegistryImage:
    """An image in a registry.

    Attributes:
        reference: The name as it was written. A missing tag stays missing until
            `Reference.with_default_tag` adds it. With a tag and a digest, the digest decides.
    """

    reference: Reference

    @property
    def is_whole_repository(self) -> bool:
        """Whether the name has neither a tag nor a digest."""
        return self.reference.is_name_only

    def __str__(self) -> str:
        return f"{Transport.REGISTRY.value}{self.reference}"


@final
@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image in the local store.

    Attributes:
        name: A name or an ID, which the store resolves.
    """

    name: str

    def __str__(self) -> str:
        return f"{Transport.STORE.value}{self.name}"


@final
@dataclass(frozen=True, slots=True)
class LayoutImage:
    """An image in a folder with an OCI image layout.

    Attributes:
        path: The folder.
        name: The image's name in the index of the layout (``org.opencontainers.image.ref.name``),
            or None.
        position: The image's position in the index, from 0, or None.
    """

    path: Path
    name: str | None = None
    position: int | None = None

    def __str__(self) -> str:
        return f"{Transport.LAYOUT.value}{self.path}{_choice(self.name, self.position)}"


@final
@dataclass(frozen=True, slots=True)
class OciArchive:
    """An image in a tar archive of an OCI image layout.

    Attributes:
        path: The file.
        name: The image's name in the index of the layout, or None.
        position: The image's position in the index, from 0, or None.
    """

    path: Path
    name: str | None = None
    position: int | None = None

    def __str__(self) -> str:
        return f"{Transport.OCI_ARCHIVE.value}{self.path}{_choice(self.name, self.position)}"


@final
@dataclass(frozen=True, slots=True)
class DockerArchive:
    """An image in an archive of ``docker save``.

    Attributes:
        path: The file.
        reference: A name with a tag, or None.
        position: The image's position in ``manifest.json``, from 0, or None.
    """

    path: Path
    reference: Reference | None = None
    position: int | None = None

    def __str__(self) -> str:
        name = None if self.reference is None else str(self.reference)
        return f"{Transport.DOCKER_ARCHIVE.value}{self.path}{_choice(name, self.position)}"


@final
@dataclass(frozen=True, slots=True)
class FolderImage:
    """The one image in a folder with its manifest and blobs.

    Attributes:
        path: The folder.
    """

    path: Path

    def __str__(self) -> str:
        return f"{Transport.FOLDER.value}{self.path}"


@final
@dataclass(frozen=True, slots=True)
class DaemonImage:
    """An image in a Docker engine.

    Attributes:
        image: A name with a tag, or the ID of the image. An engine resolves either.
    """

    image: Reference | Digest

    def __str__(self) -> str:
        return f"{Transport.DAEMON.value}{self.image}"


@final
@dataclass(frozen=True, slots=True)
class HostImage:
    """An image in a store on another machine, which is reached with SSH.

    Attributes:
        host: The name or address of the machine, without brackets.
        user: The user to log in as, or None for the default of SSH.
        port: The port, or None for the default of SSH.
        root: The folder of the store, or None for the other machine's default.
        name: A name or an ID in that store, or None.
    """

    host: str
    user: str | None = None
    port: int | None = None
    root: str | None = None
    name: str | None = None

    @property
    def destination(self) -> str:
        """The destination as ``ssh`` takes it: the host, after the user if there is one."""
        return self.host if self.user is None else f"{self.user}@{self.host}"

    def __str__(self) -> str:
        user = "" if self.user is None else f"{self.user}@"
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        name = "" if self.name is None else f"::{self.name}"
        return f"{Transport.HOST.value}{user}{host}{port}{self.root or ''}{name}"


@final
@dataclass(frozen=True, slots=True)
class RegistryTree:
    """The images in the files of a registry's storage.

    Attributes:
        path: The folder.
        name: The repository with an optional tag or digest, as the registry itself spells it; None
            for all repositories.
    """

    path: Path
    name: str | None = None

    def __str__(self) -> str:
        return f"{Transport.REGISTRY_TREE.value}{self.path}{_choice(self.name, None)}"


Location: TypeAlias = (
    RegistryImage
    | StoredImage
    | LayoutImage
    | OciArchive
    | DockerArchive
    | FolderImage
    | DaemonImage
    | HostImage
    | RegistryTree
)
"""The place of an image, or of several."""


def _choice(name: str | None, position: int | None) -> str:
    """Return the suffix that chooses an image in an archive."""
    if name is not None:
        return f":{name}"
    return "" if position is None else f":@{position}"
