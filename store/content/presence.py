"""Whether the blobs that the catalogue relies on are still there.

A blob that was deleted by hand, or lost with a disk, leaves its row behind. Comparing sizes is
cheap enough for every request, and finds blobs that are gone or were cut short; reading finds every
other damage.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from store.model.contents import ContentState

if TYPE_CHECKING:
    from collections.abc import Collection

    from store.blobs.protocol import BlobStore, OpenBlob
    from store.model.contents import Sources
    from store.model.digests import Digest


def missing_files(blobs: BlobStore, sources: Sources) -> frozenset[Digest]:
    """Return the stored forms of a content whose blobs are missing or have another size.

    Args:
        blobs: Where the content is stored.
        sources: The forms of the content; one that is inline, absent or damaged misses nothing.

    Returns:
        The digests of the blobs.
    """
    if sources.inline is not None or sources.state is not ContentState.PRESENT:
        return frozenset()
    files = [(one.digest, one.size_bytes) for one in sources.encodings]
    if sources.in_file:
        files.append((sources.digest, sources.size_bytes))
    return frozenset(
        digest for digest, size_bytes in files if blobs.size(blobs.location(digest)) != size_bytes
    )


def open_if_intact(blobs: BlobStore, sources: Sources) -> OpenBlob | None:
    """Open the blob that holds exactly a content.

    Returns:
        The open blob, to be closed by the caller; None if the content lies in no blob of its own,
        or if the blob is missing or has another size.
    """
    if sources.inline is not None or not sources.in_file:
        return None
    return _of_size(blobs.open(blobs.location(sources.digest)), sources.size_bytes)


def open_if_cached(blobs: BlobStore, sources: Sources) -> OpenBlob | None:
    """Do the same as `open_if_intact` without waiting for a disk.

    Returns:
        None also if telling would mean to wait.
    """
    if sources.inline is not None or not sources.in_file:
        return None
    return _of_size(blobs.open_if_cached(blobs.location(sources.digest)), sources.size_bytes)


def _of_size(blob: OpenBlob | None, size_bytes: int) -> OpenBlob | None:
    if blob is not None and blob.size != size_bytes:
        blob.close()
        return None
    return blob


def excluding(sources: Sources, gone: Collection[Digest]) -> Sources | None:
    """Return a content without some of its stored forms.

    Args:
        sources: The forms of the content.
        gone: Digests of blobs that are not to be used.

    Returns:
        The remaining forms; None if no form remains.
    """
    left = replace(
        sources,
        in_file=sources.in_file and sources.digest not in gone,
        encodings=tuple(one for one in sources.encodings if one.digest not in gone),
    )
    return left if left.inline is not None or left.in_file or left.encodings else None
