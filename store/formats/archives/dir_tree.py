"""Trees of ``dir:`` folders, as ``skopeo sync`` writes them: the path of each is an image's name.

Source: skopeo, cmd/skopeo/sync.go (`imagesToCopyFromDir`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from store.errors import InvalidArchive, InvalidDigest, InvalidReference, printable
from store.formats.archives.claims import ArchiveClaim, Graph, Root
from store.formats.archives.layout_documents import BlobPaths, dir_blob_paths
from store.formats.archives.oci_layout import claim_dir
from store.model.digests import Digest
from store.model.references import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from store.errors import StoreError
    from store.formats.archives.layout_documents import Files
    from store.formats.image.config import ImageConfig
    from store.formats.image.described_image import NotAnImage
    from store.formats.image.manifests import Document
    from store.model.limits import Limits


def is_name(folder: str) -> bool:
    """Whether the path of a folder is the name of an image with a tag or a digest."""
    reference = _parsed(folder)
    return reference is not None and (reference.tag is not None or reference.digest is not None)


def claim(
    files: Files,
    folders: Mapping[str, Files],
    limits: Limits,
    stored: Callable[[Digest], bytes | None],
) -> tuple[ArchiveClaim, BlobPaths]:
    """Return the claims of all folders together, and the finder of their blobs.

    Args:
        files: Access to all files, by their paths from the root of the tree.
        folders: Access to the files of each folder, by the folder's path.
        limits: Ceilings for the documents.
        stored: Returns the bytes of a document in the store; None if the store does not have it.

    Raises:
        InvalidInput: A folder is not valid, or two folders have one name.
    """
    documents: dict[Digest, Document] = {}
    configs: dict[Digest, ImageConfig] = {}
    artifacts: dict[Digest, NotAnImage] = {}
    faults: dict[Digest, StoreError] = {}
    names: dict[Digest, list[str]] = {}
    holders: dict[str, Digest] = {}
    places: dict[Digest, list[str]] = {}
    notes: list[str] = []
    for folder, inside in folders.items():
        found = claim_dir(inside, limits, stored)
        documents.update(found.graph.documents)
        configs.update(found.graph.configs)
        artifacts.update(found.graph.artifacts)
        faults.update(found.graph.faults)
        notes += (f"{printable(folder)}: {note}" for note in found.notes)
        (root,) = found.graph.roots
        mine = names.setdefault(root.digest, [])
        reference = _parsed(folder)
        if reference is not None and reference.tag is not None and reference.digest is None:
            name = str(reference)
            if holders.setdefault(name, root.digest) != root.digest:
                raise InvalidArchive(
                    f"the folders give the name {name} to {holders[name]} and to {root.digest}",
                    member=folder,
                    hint="rename one of the folders",
                )
            mine.append(name)
        for document in found.graph.documents.values():
            for link in document.links:
                places.setdefault(link.digest, []).append(folder)
    graph = Graph(
        tuple(Root(digest, tuple(some)) for digest, some in names.items()),
        documents,
        configs,
        artifacts,
        faults,
    )
    listed = "".join(f"{digest} {' '.join(some)}\n" for digest, some in names.items())
    in_folder = dir_blob_paths(files).paths

    def paths(digest: Digest) -> tuple[str, ...]:
        return tuple(
            f"{folder}/{name}" for folder in places.get(digest, ()) for name in in_folder(digest)
        )

    return (
        ArchiveClaim(Digest.of(listed.encode()), (), tuple(notes), graph),
        replace(dir_blob_paths(files), paths=paths),
    )


def _parsed(folder: str) -> Reference | None:
    try:
        return Reference.parse(folder) if folder else None
    except (InvalidReference, InvalidDigest):
        return None
