from __future__ import annotations

from pathlib import Path

import pytest

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
from store.model.digests import Digest
from store.model.references import Reference

DIGEST = Digest("sha256", "ab" * 32)
NAME = Reference.parse("registry.example:5000/team/app:1")


@pytest.mark.parametrize(
    ("location", "text"),
    [
        (RegistryImage(NAME), "docker://registry.example:5000/team/app:1"),
        (StoredImage("app:1"), "store:app:1"),
        (LayoutImage(Path("a/b")), "oci:a/b"),
        (LayoutImage(Path("a"), "app:1"), "oci:a:app:1"),
        (OciArchive(Path("a.tar"), position=3), "oci-archive:a.tar:@3"),
        (DockerArchive(Path("/a.tar"), NAME), "docker-archive:/a.tar:" + str(NAME)),
        (DockerArchive(Path("/a.tar"), None, 0), "docker-archive:/a.tar:@0"),
        (FolderImage(Path("a:b")), "dir:a:b"),
        (DaemonImage(DIGEST), f"docker-daemon:{DIGEST}"),
        (HostImage("host"), "ssh://host"),
        (
            HostImage("::1", "me", 2222, "/srv/store", "app:1"),
            "ssh://me@[::1]:2222/srv/store::app:1",
        ),
        (RegistryTree(Path("/var/lib/registry"), "app"), "registry-tree:/var/lib/registry:app"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_location_spells_its_name(location: Location, text: str) -> None:
    assert str(location) == text


def test_ssh_gets_the_user_with_the_host() -> None:
    assert HostImage("host").destination == "host"
    assert HostImage("host", "me").destination == "me@host"


def test_a_registry_image_without_tag_and_digest_is_a_whole_repository() -> None:
    assert RegistryImage(Reference.parse("app")).is_whole_repository
    assert not RegistryImage(NAME).is_whole_repository
