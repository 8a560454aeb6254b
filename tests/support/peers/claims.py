"""What an archive or folder says it holds, read without the code under test."""

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
    """``roots``: the descriptors of index.json, or the manifest of a ``dir:`` folder.

    ``tags``: the names in manifest.json.
    """

    roots: tuple[dict[str, Any], ...]
    tags: tuple[str, ...]

    def digests(self) -> set[str]:
        """The digests of the roots."""
        return {one["digest"] for one in self.roots}

    def names(self, name: str) -> bool:
        """Whether anything is called so, in whatever registry."""
        written = [
            *self.tags,
            *(
                one.get("annotations", {}).get(key, "")
                for key in (REF_NAME, CONTAINERD_NAME)
                for one in self.roots
            ),
        ]
        return any(f"/{one}".endswith(f"/{name}") for one in written)

    def written_names(self) -> list[str]:
        """Every name, said as where it stands."""
        found = [f"`{tag}` in manifest.json" for tag in self.tags]
        for key, short in ((REF_NAME, "ref.name"), (CONTAINERD_NAME, "io.containerd.image.name")):
            found += [
                f"{short} `{one['annotations'][key]}`"
                for one in self.roots
                if key in one.get("annotations", {})
            ]
        return found


def claims(path: Path) -> Claims:
    """Read them."""
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
