"""What all archives with a layout share: blobs by digest, ``index.json``, ``oci-layout`` (OCI image-spec, image-layout.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from exporter.planning.plan import Entry, EntryType
from exporter.selection.json_documents import compact, described
from store.formats.image.layout_names import CONTAINERD_NAME, REF_NAME
from store.formats.image.media_types import OCI_INDEX

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from exporter.selection.roots import SavedRoot
    from store.formats.image.manifests import Document
    from store.model.contents import Sources
    from store.model.digests import Digest
    from store.model.references import Reference


LAYOUT_FILE: Final = b'{"imageLayoutVersion": "1.0.0"}'
"""With the space, as Docker writes it."""

FILE_MODE: Final = 0o644
FOLDER_MODE: Final = 0o755


def blob_path(digest: Digest) -> str:
    """Where a blob lies."""
    return f"blobs/{digest.algorithm}/{digest.hex}"


def file(path: str, source: bytes | Sources | Path, size_bytes: int) -> Entry:
    """A file of the archive, from the epoch."""
    return Entry(path, EntryType.FILE, FILE_MODE, 0, size_bytes, source)


def folder(path: str, mtime_s: int = 0) -> Entry:
    """A folder of the archive, from the epoch unless it has a time in Unix seconds."""
    return Entry(path, EntryType.DIRECTORY, FOLDER_MODE, mtime_s)


def blobs(files: Mapping[Digest, Entry], mtime_s: int = 0) -> list[Entry]:
    """The folder ``blobs``, with its time in Unix seconds, and the folders and files below it, sorted."""
    entries = [folder("blobs/", mtime_s)]
    for algorithm in sorted({digest.algorithm for digest in files}):
        entries.append(folder(f"blobs/{algorithm}/"))
        entries += [files[digest] for digest in sorted(files) if digest.algorithm == algorithm]
    return entries


def descriptors(
    root: SavedRoot, document: Document, shared_tags: frozenset[str]
) -> list[dict[str, Any]]:
    """A root's descriptors in ``index.json``: one for each tag, or one without a name."""
    if not root.tags:
        return [described(document)]
    return [described(document) | {"annotations": names(tag, shared_tags)} for tag in root.tags]


def names(tag: Reference, shared_tags: frozenset[str]) -> dict[str, str]:
    """The full name, and the tag.

    A tag that several repositories have is written with its repository, for some readers know no
    other name.
    """
    return {
        CONTAINERD_NAME: str(tag),
        REF_NAME: str(tag) if tag.tag in shared_tags else tag.tag or "",
    }


def tags_of_several(tags: Iterable[Reference]) -> frozenset[str]:
    """Tags that stand in more than one repository."""
    repositories: dict[str, set[object]] = {}
    for tag in tags:
        repositories.setdefault(tag.tag or "", set()).add(tag.repository)
    return frozenset(tag for tag, names in repositories.items() if len(names) > 1)


def index(manifests: Sequence[Mapping[str, Any]]) -> bytes:
    """``index.json``."""
    return compact({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(manifests)})
