"""Opening the blob of a stored content, and the errors for content that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.errors import ContentMissing, DamagedContent
from store.model.contents import ContentState
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from store.blobs.protocol import BlobStore, OpenBlob
    from store.model.contents import Sources
    from store.model.digests import Digest


def open_stored(blobs: BlobStore, digest: Digest) -> OpenBlob:
    """Open the blob that holds exactly the bytes of ``digest``.

    Args:
        blobs: Where blobs are stored.
        digest: A content that the catalogue says lies in a blob.

    Returns:
        The open blob, to be closed by the caller.

    Raises:
        ContentMissing: There is no such blob.
    """
    blob = blobs.open(blobs.location(digest))
    if blob is None:
        raise ContentMissing(
            f"the file of {digest} is missing from the store",
            digest=digest,
            hint="import an archive that holds it again",
            remedy=Remedy.CHECK_STORE,
        )
    return blob


def require_readable(sources: Sources) -> None:
    """Check that the catalogue knows a form of a content that can be read.

    Raises:
        DamagedContent: The content was found damaged before.
        ContentMissing: No form of it is stored.
    """
    if sources.inline is not None:
        return
    if sources.state is ContentState.DAMAGED:
        raise damaged(sources.digest, "it was found damaged before")
    if not sources.in_file and not sources.encodings:
        raise ContentMissing(
            f"the bytes of {sources.digest} are not in the store", digest=sources.digest
        )


def damaged(digest: Digest, why: str) -> DamagedContent:
    """Return the error for stored bytes that are no longer the bytes that were stored."""
    return DamagedContent(
        f"stored content {digest} is damaged: {why}",
        digest=digest,
        hint="import an archive that holds this content to repair it",
        remedy=Remedy.CHECK_STORE,
    )
