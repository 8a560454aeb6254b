from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from store.blobs.directory import DirectoryBlobs
from store.blobs.memory import MemoryBlobs
from store.content.presence import excluding, missing_files, open_if_intact
from store.model.contents import Codec, ContentState, Sources, StoredEncoding
from store.model.digests import Digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from store.blobs.protocol import BlobStore

DATA, GZIP, ZSTD = Digest.of(b"data"), Digest.of(b"gzip form"), Digest.of(b"zstd form")
SOURCES = Sources(
    DATA,
    4,
    ContentState.PRESENT,
    None,
    in_file=True,
    encodings=(
        StoredEncoding(ZSTD, Codec.ZSTD, 9, seekable=True),
        StoredEncoding(GZIP, Codec.GZIP, 9, seekable=False),
    ),
)


@pytest.fixture(params=["directory", "memory"])
def blobs_of(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., BlobStore]:
    def make(blobs: dict[Digest, bytes]) -> BlobStore:
        if request.param == "memory":
            return MemoryBlobs(blobs)
        folder = DirectoryBlobs(tmp_path)
        for digest, data in blobs.items():
            (tmp_path / "staged").write_bytes(data)
            folder.publish([(tmp_path / "staged", folder.location(digest))])
        return folder

    return make


def test_files_that_are_gone_or_cut_short_are_missing(
    blobs_of: Callable[..., BlobStore],
) -> None:
    blobs = blobs_of({DATA: b"data", GZIP: b"gzip"})
    assert missing_files(blobs, SOURCES) == {GZIP, ZSTD}
    assert missing_files(blobs, replace(SOURCES, encodings=())) == frozenset()


def test_content_that_needs_no_file_misses_none() -> None:
    for sources in (
        replace(SOURCES, inline=b"data"),
        replace(SOURCES, state=ContentState.ABSENT),
        replace(SOURCES, state=ContentState.DAMAGED),
    ):
        assert missing_files(MemoryBlobs(), sources) == frozenset()


def test_only_a_file_of_the_right_size_is_opened(blobs_of: Callable[..., BlobStore]) -> None:
    blob = open_if_intact(blobs_of({DATA: b"data"}), SOURCES)
    assert blob is not None
    with blob:
        assert blob.read() == b"data"
    for data in ({}, {DATA: b"dat"}, {DATA: b"data and more"}):
        # The new blob overwrites the one in the folder of the case before.
        blobs = blobs_of(data)
        if not data:
            blobs.remove(blobs.location(DATA))
        assert open_if_intact(blobs, SOURCES) is None


def test_content_without_a_file_of_its_own_is_not_opened(
    blobs_of: Callable[..., BlobStore],
) -> None:
    blobs = blobs_of({DATA: b"data"})
    for sources in (replace(SOURCES, inline=b"data"), replace(SOURCES, in_file=False)):
        assert open_if_intact(blobs, sources) is None


def test_excluding_leaves_the_other_forms() -> None:
    left = excluding(SOURCES, {DATA, ZSTD})
    assert left is not None
    assert not left.in_file
    assert [one.digest for one in left.encodings] == [GZIP]
    assert excluding(SOURCES, set()) == SOURCES


def test_content_without_any_form_left_is_none() -> None:
    assert excluding(SOURCES, {DATA, ZSTD, GZIP}) is None
    assert excluding(replace(SOURCES, inline=b"data"), {DATA, ZSTD, GZIP}) is not None
