"""Marks of damaged content: set after the bytes were read again, and removed when they are sound.

Content that is only missing is never marked. Whether a file is there is looked up whenever it is
needed, so the content is served again as soon as its file is back.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from store.catalog import content, encodings
from store.catalog.checking import marks
from store.content.examination import Condition, Examination, examine, is_unchanged
from store.errors import FalseEncoding, Unavailable, printable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager
    from datetime import datetime

    from sqlalchemy import Connection

    from store.blobs.protocol import BlobStore
    from store.errors import ContentMissing, DamagedContent
    from store.model.contents import Sources
    from store.model.digests import Digest

logger = logging.getLogger(__name__)


class OpenedStore(Protocol):
    """The part of `store.workspace.workspace.Workspace` that marks need."""

    @property
    def blobs(self) -> BlobStore:
        """The blob store that holds the files."""

    @property
    def read_only(self) -> bool:
        """Whether the store is read-only."""

    def now(self) -> datetime:
        """Return the current time, in UTC."""

    def read(self) -> AbstractContextManager[Connection]:
        """Return a read unit."""

    def sources(self, digests: Iterable[Digest]) -> dict[Digest, Sources]:
        """Return where the bytes of ``digests`` can be read."""

    def write(self, owner: str) -> AbstractContextManager[Connection]:
        """Return a write unit."""


def report(workspace: OpenedStore, error: DamagedContent | ContentMissing) -> bool:
    """Record damage that a reader has met, if the stored bytes are wrong when they are read again.

    If a sound blob decodes to a different digest than recorded, the encoding is forgotten and the
    blob is not marked. A read-only store is not changed.

    Args:
        workspace: The opened store.
        error: The error that was raised when the bytes were read.

    Returns:
        False if damage was found and cannot be recorded now. The error is logged.
    """
    if workspace.read_only:
        return True
    try:
        if isinstance(error, FalseEncoding):
            _forget_encoding(workspace, error)
        else:
            mark(workspace, error.digest)
    except Unavailable as exc:
        # The damage itself is what the caller has to hear of.
        logger.warning("cannot record damage: %s", printable(exc.message))
        return False
    return True


def _forget_encoding(workspace: OpenedStore, error: FalseEncoding) -> None:
    with workspace.write("damage") as connection:
        encodings.forget(connection, error.content, error.digest)
        left = content.sources(connection, (error.content,)).get(error.content)
        if left is not None and not left.is_stored:
            marks.mark_damaged(connection, error.content)


def mark(workspace: OpenedStore, digest: Digest) -> Examination | None:
    """Read the bytes stored under a digest again, and mark them if they are wrong.

    Args:
        workspace: The opened store, which is not read-only.
        digest: The digest.

    Returns:
        What was found; None if no bytes are stored under the digest.

    Raises:
        Unavailable: The mark cannot be written.
    """
    found = examination(workspace, digest)
    if found is None or found.condition is not Condition.DAMAGED:
        return found
    with workspace.write("damage") as connection:
        now = content.sources(connection, (digest,)).get(digest)
        if now is None:
            return None
        # Somebody may have replaced the bytes in the meantime.
        is_same = (
            examine(workspace.blobs, now).condition is Condition.DAMAGED
            if now.inline is not None
            else found.stamp is not None and is_unchanged(workspace.blobs, digest, found.stamp)
        )
        if is_same:
            marks.mark_damaged(connection, digest)
    return found


def examination(workspace: OpenedStore, digest: Digest) -> Examination | None:
    """Read the bytes stored under a digest again; None if no bytes are stored under it.

    Args:
        workspace: The opened store.
        digest: The digest.
    """
    sources = workspace.sources((digest,)).get(digest)
    if sources is None or (sources.inline is None and not sources.in_file):
        return None
    return examine(workspace.blobs, sources)


def clear(workspace: OpenedStore, digest: Digest) -> bool:
    """Remove the mark of content whose bytes were just read and have their digest.

    Args:
        workspace: The opened store.
        digest: The digest of the content.

    Returns:
        False if the mark cannot be removed now. The error is logged.
    """
    try:
        with workspace.write("damage") as connection:
            marks.clear_damage(connection, digest)
    except Unavailable as exc:
        logger.warning("cannot remove a mark of damage: %s", printable(exc.message))
        return False
    return True
