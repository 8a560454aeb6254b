"""Documents from the log that the store keeps beside its catalogue."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from store.documents import records
from store.documents.blocks import frames
from store.documents.folder import DOCUMENTS, LOG
from store.errors import InvalidDigest
from store.files.creation import NO_FOLLOW, open_folder
from store.files.os_errors import translated
from store.model.digests import Digest

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


def logged_documents(root: Path, wanted: Collection[Digest]) -> dict[Digest, bytes]:
    """Return the documents among ``wanted`` that the log has, with the right bytes.

    Args:
        root: The root of the store.
        wanted: The digests of lost documents.

    Raises:
        Unavailable: The log cannot be read.
    """
    found: dict[Digest, bytes] = {}
    names = {str(digest) for digest in wanted}
    with translated(root / DOCUMENTS / LOG):
        try:
            with open_folder(root, DOCUMENTS) as folder:
                descriptor = os.open(LOG, os.O_RDONLY | NO_FOLLOW, dir_fd=folder)
        except FileNotFoundError:
            return found
        try:
            for block in frames(descriptor, os.fstat(descriptor).st_size):
                for kind, values in records.decode(block) if isinstance(block, bytes) else ():
                    if kind != records.DOCUMENT or values[0] not in names:
                        continue
                    name, data = values
                    if isinstance(name, str) and isinstance(data, bytes):
                        try:
                            digest = Digest.parse(name)
                        except InvalidDigest:
                            continue
                        if Digest.of(data, digest.algorithm) == digest:
                            found[digest] = data
        finally:
            os.close(descriptor)
    return found
