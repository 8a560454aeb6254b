from __future__ import annotations

from dataclasses import replace

import pytest

from store.blobs.memory import MemoryBlobs
from store.content.stored import open_stored, require_readable, undecodable
from store.errors import ContentMissing, DamagedContent, Unavailable
from store.model.contents import Codec, ContentState, Sources, StoredEncoding
from store.model.digests import Digest

DIGEST = Digest.of(b"data")
PRESENT = Sources(DIGEST, 4, ContentState.PRESENT, None, in_file=True, encodings=())


def test_a_blob_is_found_by_its_digest() -> None:
    with open_stored(MemoryBlobs({DIGEST: b"data"}), DIGEST) as blob:
        assert blob.read() == b"data"


def test_a_missing_blob_is_named_by_its_digest() -> None:
    with pytest.raises(ContentMissing) as caught:
        open_stored(MemoryBlobs(), DIGEST)
    assert caught.value.digest == DIGEST


def test_any_form_is_readable() -> None:
    encoding = StoredEncoding(DIGEST, Codec.GZIP, 4, seekable=False)
    require_readable(PRESENT)
    require_readable(replace(PRESENT, in_file=False, encodings=(encoding,)))
    require_readable(replace(PRESENT, in_file=False, inline=b"data"))


def test_damaged_content_and_content_without_a_form_are_not_readable() -> None:
    with pytest.raises(DamagedContent):
        require_readable(replace(PRESENT, state=ContentState.DAMAGED))
    with pytest.raises(ContentMissing):
        require_readable(replace(PRESENT, in_file=False))


def test_a_decoder_without_memory_says_nothing_about_the_bytes() -> None:
    digest = Digest.of(b"blob")
    error = undecodable(digest, ValueError("Allocation error : not enough memory"))
    assert isinstance(error, Unavailable)
    assert isinstance(undecodable(digest, ValueError("wrong checksum")), DamagedContent)
