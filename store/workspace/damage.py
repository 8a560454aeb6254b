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
from store.content.presence import excluding, missing_files
from store.errors import FalseEncoding, Unavailable, printable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

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
            _mark(workspace, error.digest)
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


def _mark(workspace: OpenedStore, digest: Digest) -> None:
    found = examination(workspace, digest)
    if found is None or found.condition is not Condition.DAMAGED:
        return
    with workspace.write("damage") as connection:
        now = content.sources(connection, (digest,)).get(digest)
        if now is None:
            return
        # Somebody may have replaced the bytes in the meantime.
        is_same = (
            examine(workspace.blobs, now).condition is Condition.DAMAGED
            if now.inline is not None
            else found.stamp is not None and is_unchanged(workspace.blobs, digest, found.stamp)
        )
        if is_same:
            marks.mark_damaged(connection, digest)


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


def lost(connection: Connection, blobs: BlobStore, digests: Iterable[Digest]) -> frozenset[Digest]:
    """Return the digests of which no form is left: all files are missing or have the wrong size.

    Args:
        connection: A read or write unit.
        blobs: The blob store that holds the files.
        digests: The digests to look at. Digests in other states than present are left out.

    Raises:
        Unavailable: The files cannot be looked at.
    """
    found: set[Digest] = set()
    for sources in content.sources(connection, digests).values():
        missing = missing_files(blobs, sources)
        if missing and excluding(sources, missing) is None:
            logger.error("the file of digest=%s is missing or cut short", sources.digest)
            found.add(sources.digest)
    return frozenset(found)


def mark_lost(
    connection: Connection, blobs: BlobStore, digests: Iterable[Digest]
) -> frozenset[Digest]:
    """Mark files that are missing or have the wrong size, so that the caller replaces them.

    The caller has the right bytes, and stores them in the same write unit. Otherwise the unit has
    to fail: a file that is only missing keeps no mark.

    Args:
        connection: A write unit.
        blobs: The blob store that holds the files.
        digests: The digests whose files are checked, plain or encoded.

    Returns:
        The digests of the missing files, which may be encodings of ``digests``.

    Raises:
        Unavailable: The files cannot be looked at.
    """
    found: set[Digest] = set()
    for sources in content.sources(connection, digests).values():
        for digest in missing_files(blobs, sources) - found:
            found.add(digest)
            if digest == sources.digest and excluding(sources, found) is not None:
                content.forget_file(connection, digest)
            else:
                marks.mark_damaged(connection, digest)
    return frozenset(found)
