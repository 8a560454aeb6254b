"""Whether the store still has what it promises: presence and size of files, and changed files.

A client that brings content which is here already relies on the stored copy. So the copy is looked
at before it is relied on. A look at the file is cheap. A file that was changed after it was
published is hashed as well; bytes that rot without a write are found by `fsck` and by readers.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from store.catalog import content
from store.catalog.checking import marks
from store.content.examination import Condition, examine
from store.content.presence import excluding, missing_files
from store.errors import Unavailable, printable
from store.model.contents import ContentState
from store.workspace import damage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from store.blobs.protocol import BlobStore
    from store.catalog.in_progress.pushes import KnownContent
    from store.model.contents import Sources
    from store.model.digests import Digest

logger = logging.getLogger(__name__)


def sound_files(
    blobs: BlobStore, held: Iterable[KnownContent], *, is_untouched: bool
) -> frozenset[Digest]:
    """Return the content whose file is there and has the right size.

    This needs no statement, so it is asked before `unsound` and `lost`, which look at the rest.

    Args:
        blobs: The blob store that holds the files.
        held: The content to look at.
        is_untouched: Whether to leave out files that were changed after they were published.

    Raises:
        Unavailable: The files cannot be looked at.
    """
    found: set[Digest] = set()
    for one in held:
        if one.file_at is None:
            continue
        location = blobs.location(one.digest)
        if blobs.size(location) == one.size_bytes and not (
            is_untouched and blobs.is_touched(location, one.file_at)
        ):
            found.add(one.digest)
    return frozenset(found)


def unsound(workspace: damage.OpenedStore, digests: Iterable[Digest]) -> frozenset[Digest]:
    """Return the digests that are present in the catalogue, but whose stored bytes are not sound.

    Presence and size of the files are compared with the catalogue. Bytes in the catalogue, and
    files that were changed since they were published, are hashed, and marked if they are wrong.
    Call this outside of units, because hashing may take long.

    Args:
        workspace: The opened store, which is not read-only.
        digests: The digests to look at. Digests in other states than present are left out.

    Raises:
        Unavailable: A file cannot be read, or a mark cannot be written.
    """
    with workspace.read() as connection:
        known = {
            digest: sources
            for digest, sources in content.sources(connection, digests).items()
            if sources.state is ContentState.PRESENT
        }
        files = touched(connection, workspace.blobs, known.values())
    inline = {digest for digest, sources in known.items() if sources.inline is not None}
    wrong: set[Digest] = set()
    right: list[Digest] = []
    for digest in files | inline:
        found = damage.mark(workspace, digest)
        if found is None or found.condition is Condition.MISSING:
            continue
        if found.condition is Condition.UNREADABLE:
            raise Unavailable(f"{digest} {found.reason}", hint="correct the cause, and try again")
        if found.condition is Condition.DAMAGED:
            logger.error("stored content digest=%s is damaged: %s", digest, found.reason)
            wrong.add(digest)
        elif digest in files:
            right.append(digest)
    _note_right(workspace, right)
    gone: set[Digest] = set()
    for digest, sources in known.items():
        bad = wrong | missing_files(workspace.blobs, sources)
        if digest in wrong or excluding(sources, bad) is None:
            gone.add(digest)
    return frozenset(gone)


def _note_right(workspace: damage.OpenedStore, digests: list[Digest]) -> None:
    """Record that changed files were hashed and are right, so that they are not hashed again."""
    if not digests:
        return
    try:
        with workspace.write("check") as connection:
            content.note_published(connection, digests, workspace.now())
    except Unavailable as exc:
        logger.warning("%s", printable(exc.message))


def touched(
    connection: Connection, blobs: BlobStore, known: Iterable[Sources]
) -> frozenset[Digest]:
    """Return the files that were changed after they were published.

    Args:
        connection: A read or write unit.
        blobs: The blob store that holds the files.
        known: The stored forms of the digests to look at.

    Raises:
        Unavailable: The files cannot be looked at.
    """
    files: set[Digest] = set()
    for sources in known:
        files.update(one.digest for one in sources.encodings)
        if sources.in_file:
            files.add(sources.digest)
    return frozenset(
        digest
        for digest, at in content.published_at(connection, files).items()
        if blobs.is_touched(blobs.location(digest), at)
    )


def lost(
    connection: Connection,
    blobs: BlobStore,
    digests: Iterable[Digest],
) -> frozenset[Digest]:
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


def is_kept_otherwise(connection: Connection, digest: Digest) -> bool:
    """Return whether the store has content in the catalogue or encoded, and needs no file of it.

    Args:
        connection: A write unit, in which lost files have been marked.
        digest: The digest of the content.
    """
    sources = content.sources(connection, (digest,)).get(digest)
    return (
        sources is not None
        and sources.state is ContentState.PRESENT
        and not sources.in_file
        and sources.is_stored
    )


def damaged_documents(
    connection: Connection, blobs: BlobStore, digests: Iterable[Digest]
) -> frozenset[Digest]:
    """Return the documents that are marked, have wrong bytes in the catalogue, or lost their file.

    Args:
        connection: A read or write unit.
        blobs: The blob store that holds large documents.
        digests: The digests of the documents.

    Raises:
        Unavailable: The files cannot be looked at.
    """
    known = content.sources(connection, digests)
    return lost(connection, blobs, known) | {
        digest
        for digest, sources in known.items()
        if sources.state is not ContentState.PRESENT
        or (sources.inline is not None and examine(blobs, sources).condition is not Condition.SOUND)
    }
