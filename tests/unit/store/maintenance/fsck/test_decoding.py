"""What a blob decodes to, and what the rows about it say."""

from __future__ import annotations

import gzip
from dataclasses import replace
from types import SimpleNamespace

import pytest
import zstandard

from store.blobs.memory import MemoryBlobs
from store.content.decoding import Decoding
from store.maintenance.fsck.decoding import (
    Encoded,
    decode_small,
    encoded,
    has_frames,
    wrong_row,
)
from store.model.contents import Codec, StoredEncoding
from store.model.digests import Digest

PLAIN = b"layer" * 1000
GZIP = gzip.compress(PLAIN)
STORED = Digest.of(GZIP)
ONE = Encoded(
    Digest.of(PLAIN),
    len(PLAIN),
    StoredEncoding(STORED, Codec.GZIP, len(GZIP), seekable=False, is_checked=True),
)
MEMORY = Decoding().memory


def row(**changes: object) -> SimpleNamespace:
    usual = {"codec": "gzip", "size_bytes": 7, "seekable": 0, "ours": 0, "checked": 1}
    return SimpleNamespace(**(usual | changes))


def test_a_raw_row_becomes_values() -> None:
    found = encoded(row(seekable=1), ONE.content, STORED, 9)
    assert found is not None
    assert found.stored == StoredEncoding(STORED, Codec.GZIP, 9, seekable=True, is_checked=True)


@pytest.mark.parametrize(
    "changes",
    [
        {"codec": "gzjp"},
        {"codec": "identity"},
        {"codec": b"gzip"},
        {"size_bytes": None},
        {"size_bytes": -1},
        {"size_bytes": "7"},
        {"seekable": 2},
        {"ours": "1"},
        {"checked": None},
    ],
)
def test_a_row_that_makes_no_sense_is_no_value(changes: dict[str, object]) -> None:
    assert encoded(row(**changes), ONE.content, STORED, 9) is None


def test_the_decoded_bytes_are_compared_by_digest_and_size() -> None:
    assert decode_small(GZIP, ONE, MEMORY).is_right
    for wrong in (
        replace(ONE, content=Digest.of(b"other")),
        replace(ONE, size_bytes=len(PLAIN) + 1),
        replace(ONE, size_bytes=len(PLAIN) - 1),
        replace(ONE, stored=replace(ONE.stored, codec=Codec.ZSTD)),
    ):
        assert not decode_small(GZIP, wrong, MEMORY).is_right


def test_a_seek_table_that_is_not_there_is_noticed() -> None:
    data = zstandard.compress(PLAIN)
    stored = StoredEncoding(Digest.of(data), Codec.ZSTD, len(data), seekable=True, is_checked=True)
    one = replace(ONE, stored=stored)
    found = decode_small(data, one, MEMORY)
    assert (found.is_right, found.has_frames) == (True, False)
    blobs = MemoryBlobs({stored.digest: data})
    assert not has_frames(blobs, one, MEMORY)
    assert has_frames(blobs, replace(one, stored=replace(stored, seekable=False)), MEMORY)


def test_a_wrong_row_is_told_from_a_wrong_blob() -> None:
    blobs = MemoryBlobs({STORED: GZIP})
    size = wrong_row(blobs, replace(ONE, size_bytes=7), MEMORY)
    assert size == f"has {len(PLAIN)} bytes, and the catalogue says 7"
    codec = wrong_row(blobs, replace(ONE, stored=replace(ONE.stored, codec=Codec.XZ)), MEMORY)
    assert codec == "is encoded with gzip, and the catalogue says xz"
    assert wrong_row(blobs, replace(ONE, content=Digest.of(b"other")), MEMORY) is None
