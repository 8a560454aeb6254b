"""Parts of an OCI image layout: blobs by digest, ``index.json`` and ``oci-layout``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from exporter.planning.plan import Entry, EntryType
from exporter.selection.json_documents import compact, descriptor_of
from store.formats.image.layout_names import CONTAINERD_NAME, REF_NAME, SUBJECT
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
"""The bytes of ``oci-layout``, with the space that Docker writes."""

FILE_MODE: Final = 0o644
FOLDER_MODE: Final = 0o755


def blob_path(digest: Digest) -> str:
    """Return the path of a blob in the layout."""
    return f"blobs/{digest.algorithm}/{digest.hex}"


def file(path: str, source: bytes | Sources | Path, size_bytes: int) -> Entry:
    """Return a file of the archive, dated 1970-01-01.

    Args:
        path: The file's name in the archive.
        source: The file's bytes, or the stored content or the file on disk with these bytes.
        size_bytes: The file's size.
    """
    return Entry(path, EntryType.FILE, FILE_MODE, 0, size_bytes, source)


def folder(path: str, mtime_s: int = 0) -> Entry:
    """Return a folder of the archive.

    Args:
        path: The folder's name in the archive, with a slash at the end.
        mtime_s: The folder's modification time in Unix seconds.
    """
    return Entry(path, EntryType.DIRECTORY, FOLDER_MODE, mtime_s)


def blobs(files: Mapping[Digest, Entry], mtime_s: int = 0) -> list[Entry]:
    """Return the folder ``blobs`` with the folders and files in it, sorted.

    Args:
        files: The blobs' entries, by digest.
        mtime_s: The modification time of the folder ``blobs`` in Unix seconds.
    """
    entries = [folder("blobs/", mtime_s)]
    for algorithm in sorted({digest.algorithm for digest in files}):
        entries.append(folder(f"blobs/{algorithm}/"))
        entries += [files[digest] for digest in sorted(files) if digest.algorithm == algorithm]
    return entries


def descriptors(
    root: SavedRoot, documents: Mapping[Digest, Document], shared_tags: frozenset[str]
) -> list[dict[str, Any]]:
    """Return a root's descriptors for ``index.json``: one for each name, or one without a name.

    A referrer whose subject is in the archive has containerd's annotation for the subject. Docker
    since 29 finds the referrers of an image in an archive by this annotation alone.

    Args:
        root: The manifest or index, with its names.
        documents: Every manifest and index of the archive.
        shared_tags: Tags to write with their repository.
    """
    document = documents[root.digest]
    subject: dict[str, str] = {}
    if document.subject is not None and document.subject.digest in documents:
        subject = {SUBJECT: str(document.subject.digest)}
    named = [names(name, shared_tags) for name in root.names] or [{}]
    return [
        descriptor_of(document)
        # Go sorts the members of a map, and so do containerd and Docker.
        | ({"annotations": dict(sorted((one | subject).items()))} if one or subject else {})
        for one in named
    ]


def names(name: Reference, shared_tags: frozenset[str]) -> dict[str, str]:
    """Return the annotations that name a root: containerd's full name and the OCI reference name.

    A name with a digest has no OCI reference name: the specification's grammar has none for it.

    Args:
        name: The repository, and the tag or the root's digest.
        shared_tags: Tags that occur in several repositories. The OCI reference name of such a tag
            includes the repository, because some readers ignore containerd's name.
    """
    if name.tag is None:
        return {CONTAINERD_NAME: str(name)}
    return {
        CONTAINERD_NAME: str(name),
        REF_NAME: str(name) if name.tag in shared_tags else name.tag,
    }


def tags_of_several(tags: Iterable[Reference]) -> frozenset[str]:
    """Return every tag that ``tags`` contains with more than one repository."""
    repositories: dict[str, set[object]] = {}
    for tag in tags:
        repositories.setdefault(tag.tag or "", set()).add(tag.repository)
    return frozenset(tag for tag, names in repositories.items() if len(names) > 1)


def index(manifests: Sequence[Mapping[str, Any]]) -> bytes:
    """Return the bytes of an ``index.json`` that lists ``manifests``."""
    return compact({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(manifests)})
