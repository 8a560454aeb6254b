"""Whether the files that the catalogue relies on are there.

One that was deleted by hand, or lost with a disk, leaves its row behind.

A look at the size is cheap enough for every request, and finds what has gone or was cut short; any
other damage is found by who reads.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO

from store.errors import ContentMissing
from store.model.contents import ContentState

if TYPE_CHECKING:
    from collections.abc import Collection

    from store.blobs.protocol import BlobStore
    from store.model.contents import Sources
    from store.model.digests import Digest


def lost(blobs: BlobStore, sources: Sources) -> frozenset[Digest]:
    """The stored forms of a content whose files are not there, or not as long as they were."""
    if sources.inline is not None or sources.state is not ContentState.PRESENT:
        return frozenset()
    files = [(one.digest, one.size_bytes) for one in sources.encodings]
    if sources.in_file:
        files.append((sources.digest, sources.size_bytes))
    return frozenset(digest for digest, size_bytes in files if blobs.size(digest) != size_bytes)


def open_if_intact(blobs: BlobStore, sources: Sources) -> BinaryIO | None:
    """The file of a content that lies in one as it is, to be closed by the caller.

    None when it does not, or the file is not what it was.
    """
    if sources.inline is not None or not sources.in_file:
        return None
    try:
        return (
            blobs.open(sources.digest) if blobs.size(sources.digest) == sources.size_bytes else None
        )
    except ContentMissing:
        # Gone since then.
        return None


def open_if_cached(blobs: BlobStore, sources: Sources) -> BinaryIO | None:
    """The same without waiting for a disk: None also when that cannot be told at once."""
    if sources.inline is not None or not sources.in_file:
        return None
    file = blobs.open_if_cached(sources.digest)
    if file is None:
        return None
    if file.seek(0, os.SEEK_END) != sources.size_bytes:
        file.close()
        return None
    file.seek(0)
    return file


def excluding(sources: Sources, gone: Collection[Digest]) -> Sources | None:
    """What is left of a content without these stored forms; None when that is nothing."""
    left = replace(
        sources,
        in_file=sources.in_file and sources.digest not in gone,
        encodings=tuple(one for one in sources.encodings if one.digest not in gone),
    )
    return left if left.inline is not None or left.in_file or left.encodings else None
