"""Content that the registry finds missing on disk."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from store.catalog import content
from store.content.presence import excluding, lost

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection

    from store.blobs.protocol import BlobStore
    from store.model.digests import Digest

logger = logging.getLogger(__name__)


def mark_lost(
    connection: Connection, blobs: BlobStore, digests: Iterable[Digest]
) -> frozenset[Digest]:
    """Look for the files of these contents, and mark as damaged what has lost its bytes, so that whoever brings them again is let; the files that are lost."""
    found: set[Digest] = set()
    for sources in content.sources(connection, digests).values():
        for digest in lost(blobs, sources) - found:
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
