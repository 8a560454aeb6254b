"""Checks that the blobs in the catalogue still exist and still have the recorded sizes.

If a blob is deleted by hand, or lost with a disk, the row of the blob remains. A comparison of
sizes is cheap enough for every request. The comparison finds blobs that are missing or cut short.
Other damage is found only when a blob is read.
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
    """Return the blobs of a digest that are missing or do not have the recorded size.

    Args:
        blobs: The blob store that is checked.
        sources: The stored forms of the digest.

    Returns:
        The digests of the blobs; empty if the bytes are inline, absent or known to be damaged.
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
    """Open the blob that holds exactly the bytes of a digest.

    Returns:
        The open blob, to be closed by the caller; None if the bytes do not have a blob of their
        own, or if the blob is missing or does not have the recorded size.
    """
    if sources.inline is not None or not sources.in_file:
        return None
    blob = blobs.open(blobs.location(sources.digest))
    if blob is not None and blob.size != sources.size_bytes:
        blob.close()
        return None
    return blob


def excluding(sources: Sources, gone: Collection[Digest]) -> Sources | None:
    """Return the stored forms of a digest, except the forms in missing blobs.

    Args:
        sources: The stored forms of the digest.
        gone: Digests of the blobs to leave out.

    Returns:
        The remaining forms; None if no form remains.
    """
    left = replace(
        sources,
        in_file=sources.in_file and sources.digest not in gone,
        encodings=tuple(one for one in sources.encodings if one.digest not in gone),
    )
    return left if left.inline is not None or left.in_file or left.encodings else None
