"""Files of a registry's storage, as distribution writes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, final

from tests.support.layouts import digest as digest_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.layouts import Layout


@final
class RegistryFiles:
    """The storage of a registry, in a folder that a test may change.

    Attributes:
        folder: The folder that holds ``docker/registry/v2``.
        root: The folder ``docker/registry/v2``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "docker/registry/v2"
        (self.root / "repositories").mkdir(parents=True)
        (self.root / "blobs").mkdir()

    def blob(self, digest: str) -> Path:
        """Return the path of the file of a blob."""
        algorithm, _, name = digest.partition(":")
        return self.root / "blobs" / algorithm / name[:2] / name / "data"

    def repository(self, name: str) -> Path:
        """Return the folder of a repository."""
        return self.root / "repositories" / name

    def revision(self, name: str, digest: str) -> Path:
        """Return the path of the link to a manifest."""
        return self.repository(name) / "_manifests/revisions" / digest.replace(":", "/") / "link"

    def tag(self, name: str, tag: str) -> Path:
        """Return the path of the link of a tag."""
        return self.repository(name) / "_manifests/tags" / tag / "current/link"

    def layer(self, name: str, digest: str) -> Path:
        """Return the path of the link to a layer."""
        return self.repository(name) / "_layers" / digest.replace(":", "/") / "link"

    def put(self, data: bytes, algorithm: str = "sha256") -> str:
        """Write a blob, and return its digest."""
        digest = digest_of(data, algorithm)
        write(self.blob(digest), data)
        return digest

    def push(self, layout: Layout, name: str, **tags: dict[str, Any]) -> None:
        """Write all blobs of a layout, and link all of its manifests into a repository.

        Args:
            layout: The layout.
            name: The name of the repository.
            tags: The descriptors of the manifests that get tags.
        """
        for digest, data in layout.blobs.items():
            write(self.blob(digest), data)
            document = _document(data)
            link = self.revision if "manifests" in document or "layers" in document else self.layer
            write(link(name, digest), digest.encode())
        for tag, descriptor in tags.items():
            self.set_tag(name, tag, descriptor["digest"])

    def set_tag(self, name: str, tag: str, digest: str) -> None:
        """Write the link of a tag."""
        write(self.tag(name, tag), digest.encode())


def write(path: Path, data: bytes) -> None:
    """Write a file, and make the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _document(data: bytes) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) and "schemaVersion" in found else {}
