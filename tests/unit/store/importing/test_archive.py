"""The result of reading an archive: the list of the archive's staged files."""

from __future__ import annotations

import lzma
from typing import TYPE_CHECKING

from store.formats.archives.claims import ArchiveClaim
from store.importing.archive import ReadArchive
from store.model.digests import DiffID, Digest
from tests.support.images import A, B

if TYPE_CHECKING:
    from store.importing.staging import Staged, Stager


def stage(stager: Stager, data: bytes) -> Staged:
    return stager.layer(iter((data,)), "layer", lambda _size: None, keep_original=True)


def test_each_staged_file_is_listed_once_with_the_original_of_a_recoded_layer(
    stager: Stager,
) -> None:
    plain, recoded = stage(stager, A), stage(stager, lzma.compress(B))
    archive = ReadArchive(ArchiveClaim(Digest.of(b""), ()))
    archive.layers[DiffID(plain.diff.digest)] = plain
    archive.blobs[plain.received.digest] = plain
    archive.blobs[recoded.received.digest] = recoded
    assert recoded.original is not None
    assert [one.path for one in archive.staged()] == [
        plain.path,
        recoded.path,
        recoded.original.path,
    ]
