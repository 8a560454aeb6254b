"""The roots and names that an archive or folder claims, read without storectl's code."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from tests.support.layouts import CONTAINERD_NAME, REF_NAME, digest

if TYPE_CHECKING:
    from pathlib import Path


@final
@dataclass(frozen=True)
class Claims:
    """The roots of an index.json or of a ``dir:`` folder, and the names in manifest.json."""

    roots: tuple[dict[str, Any], ...]
    tags: tuple[str, ...]

    def digests(self) -> set[str]:
        """Return the digests of the roots."""
        return {root["digest"] for root in self.roots}

    def names(self, name: str) -> bool:
        """Return whether a manifest or image has this name, in any registry."""
        written = [
            *self.tags,
            *(
                root.get("annotations", {}).get(key, "")
                for key in (REF_NAME, CONTAINERD_NAME)
                for root in self.roots
            ),
        ]
        return any(f"/{candidate}".endswith(f"/{name}") for candidate in written)

    def written_names(self) -> list[str]:
        """Return every name, each with the place where it is written."""
        found = [f"`{tag}` in manifest.json" for tag in self.tags]
        for key, short in ((REF_NAME, "ref.name"), (CONTAINERD_NAME, "io.containerd.image.name")):
            found += [
                f"{short} `{root['annotations'][key]}`"
                for root in self.roots
                if key in root.get("annotations", {})
            ]
        return found


def claims(path: Path) -> Claims:
    """Return the claims of an archive or folder."""
    files = _files(path)
    if "version" in files:
        return Claims(({"digest": digest(files["manifest.json"])},), ())
    roots = json.loads(files.get("index.json", b"{}")).get("manifests", ())
    entries = json.loads(files.get("manifest.json", b"[]")) or ()
    return Claims(tuple(roots), tuple(tag for entry in entries for tag in entry["RepoTags"] or ()))


def _files(path: Path) -> dict[str, bytes]:
    wanted = ("index.json", "manifest.json", "version")
    if path.is_dir():
        return {name: (path / name).read_bytes() for name in wanted if (path / name).exists()}
    found = {}
    with tarfile.open(path) as tar:
        for member in tar:
            if member.name in wanted and (file := tar.extractfile(member)) is not None:
                found[member.name] = file.read()
    return found
