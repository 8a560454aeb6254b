"""The reading of a registry's blobs to find those that do not have the digest in their path."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from store.errors import UnsafePath
from store.files.os_errors import Whose, translated
from store.formats.compression.settings import FRAME_BYTES
from store.model.progress import part

if TYPE_CHECKING:
    from collections.abc import Iterable

    from store.model.digests import Digest
    from store.model.progress import Progress
    from store.registry_tree.disk import Tree


def wrong_blobs(
    tree: Tree, digests: Iterable[Digest], progress: Progress
) -> tuple[set[Digest], int]:
    """Hash blobs, several at once.

    Args:
        tree: The storage.
        digests: The digests of the blobs.
        progress: Receives the progress of each blob.

    Returns:
        The blobs with another digest, and the bytes that were read. An absent blob is not wrong.

    Raises:
        Unavailable: A file cannot be read.
    """

    def check(digest: Digest) -> tuple[bool, int]:
        try:
            file = tree.open_blob(digest)
        except UnsafePath:
            return False, 0
        if file is None:
            return False, 0
        hashed = hashlib.new(digest.algorithm, usedforsecurity=False)
        size = 0
        buffer = bytearray(FRAME_BYTES)
        view = memoryview(buffer)
        with (
            file,
            translated(tree.path / str(digest), whose=Whose.INPUT),
            part(progress, digest.short, os.fstat(file.fileno()).st_size) as advance,
        ):
            while count := file.readinto(buffer):  # type: ignore[attr-defined]
                hashed.update(view[:count])
                size += count
                advance(count)
        return hashed.hexdigest() != digest.hex, size

    some = list(digests)
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="check") as threads:
        results = list(threads.map(check, some))
    wrong = {digest for digest, (is_wrong, _) in zip(some, results, strict=True) if is_wrong}
    return wrong, sum(size for _, size in results)
