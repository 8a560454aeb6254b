"""The names of images: in registries, stores, archives, folders and engines, as in skopeo."""

from remote.names.locations import (
    DaemonImage,
    DockerArchive,
    FolderImage,
    HostImage,
    LayoutImage,
    Location,
    OciArchive,
    RegistryImage,
    RegistryTree,
    StoredImage,
)
from remote.names.parsing import parse_location
from remote.names.transports import Transport

__all__ = [
    "DaemonImage",
    "DockerArchive",
    "FolderImage",
    "HostImage",
    "LayoutImage",
    "Location",
    "OciArchive",
    "RegistryImage",
    "RegistryTree",
    "StoredImage",
    "Transport",
    "parse_location",
]
