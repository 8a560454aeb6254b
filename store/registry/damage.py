"""Stored content that the registry finds missing on disk."""

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
        blobs: Where the contents are stored.
        digests: The contents whose files are looked for.

    Returns:
        The digests of the missing files: those of the contents, and of blobs that decode to them.
    """
    found: set[Digest] = set()
    for sources in content.sources(connection, digests).values():
        for digest in missing_files(blobs, sources) - found:
            logger.error(
                "the file of content=%s is missing or cut short",
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
    """Log an Unavailable error that the block raises, and go on.

    For notes that are written beside an answer: a reader gets the answer from a full disk too.
    """
    try:
        yield
    except Unavailable as exc:
        logger.warning("%s", printable(exc.message))
