"""Opening the blob of a digest, and the errors for content that cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from store.errors import ContentMissing, DamagedContent, FalseEncoding, Unavailable
from store.model.contents import ContentState
from store.model.remedies import Remedy

if TYPE_CHECKING:
    from store.blobs.protocol import BlobStore, OpenBlob
    from store.model.base_errors import StoreError
    from store.model.contents import Sources
    from store.model.digests import Digest

_NO_MEMORY: Final = "not enough memory"
"""What zstd says when it gets no memory (``ZSTD_error_memory_allocation``)."""


def open_stored(blobs: BlobStore, digest: Digest) -> OpenBlob:
    """Open the blob that holds exactly the bytes of ``digest``.

    Args:
        blobs: The blob store to read from.
        digest: A digest for which the catalogue has a blob row.

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
            hint="import an archive that contains this blob",
            remedy=Remedy.CHECK_STORE,
        )
    return blob


def require_readable(sources: Sources) -> None:
    """Check that the catalogue knows a form of a digest's bytes that can be read.

    Raises:
        DamagedContent: The digest was found damaged before.
        ContentMissing: No form of the bytes is stored.
    """
    if sources.inline is not None:
        return
    if sources.state is ContentState.DAMAGED:
        raise damaged(sources.digest, "an earlier read or check found the damage")
    if not sources.in_file and not sources.encodings:
        raise ContentMissing(
            f"the bytes of {sources.digest} are not in the store", digest=sources.digest
        )


def damaged(digest: Digest, why: str) -> DamagedContent:
    """Return the error for stored bytes that were changed or cut short."""
    return DamagedContent(
        f"stored content {digest} is damaged: {why}",
        digest=digest,
        hint="import an archive that contains this blob to repair it",
        remedy=Remedy.CHECK_STORE,
    )


def undecodable(digest: Digest, error: Exception) -> StoreError:
    """Return the error for stored bytes that a decoder has rejected.

    A decoder that gets no memory says nothing about the bytes.

    Args:
        digest: The digest of the blob.
        error: The error of the decoder.
    """
    if _NO_MEMORY in str(error).lower():
        return Unavailable(
            f"cannot decode {digest}: {error}", hint="try again when more memory is free"
        )
    return damaged(digest, str(error))


def false_encoding(digest: Digest, content: Digest) -> FalseEncoding:
    """Return the error for a blob that does not decode to the digest in the catalogue.

    Args:
        digest: The digest of the blob.
        content: The digest that the blob should decode to.
    """
    return FalseEncoding(
        f"stored content {digest} is damaged: it does not decode to {content}",
        digest=digest,
        content=content,
        hint="import an archive that holds this content to repair it",
        remedy=Remedy.CHECK_STORE,
    )
