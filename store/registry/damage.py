"""The registry's reaction when it finds stored files missing on disk."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

from store.catalog import content
from store.content.presence import excluding, missing_files
from store.errors import Unavailable, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from sqlalchemy import Connection

    from store.blobs.protocol import BlobStore
    from store.model.digests import Digest

logger = logging.getLogger(__name__)


def mark_missing(
    connection: Connection, blobs: BlobStore, digests: Iterable[Digest]
) -> frozenset[Digest]:
    """Mark missing files as damaged, so that a new upload replaces them.

    Args:
        connection: A write unit.
        blobs: The blob store that holds the files.
        digests: The digests whose files are checked, plain or encoded.

    Returns:
        The digests of the missing files, which may be encodings of ``digests``.
    """
    found: set[Digest] = set()
    for sources in content.sources(connection, digests).values():
        for digest in missing_files(blobs, sources) - found:
            logger.error(
                "the file of digest=%s is missing or cut short",
                digest,
            )
            found.add(digest)
            if digest == sources.digest and excluding(sources, found) is not None:
                content.forget_file(connection, digest)
            else:
                content.mark_damaged(connection, digest)
    return frozenset(found)


@contextmanager
def tolerating_failed_notes() -> Iterator[None]:
    """Log an Unavailable error of the block, and suppress it.

    Use this for notes that are written beside an answer: a full disk must not prevent the answer.
    """
    try:
        yield
    except Unavailable as exc:
        logger.warning("%s", printable(exc.message))
