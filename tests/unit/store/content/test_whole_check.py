from __future__ import annotations

from dataclasses import replace

import pytest

from store.blobs.memory import MemoryBlobs
from store.content.blocks import open_blocks
from store.content.whole_check import CheckedBlocks, WholeCheck
from store.errors import DamagedContent, FalseEncoding
from store.model.contents import Codec, ContentState, Sources, StoredEncoding
from store.model.digests import Digest
from tests.support.hostile_zstd import seekable

GOOD, EVIL = b"good" * 1000, b"evil" * 1000


def sources(stored: bytes, *, is_ours: bool = False) -> Sources:
    encoding = StoredEncoding(
        Digest.of(stored), Codec.ZSTD, len(stored), seekable=True, is_ours=is_ours
    )
    return Sources(
        Digest.of(GOOD), len(GOOD), ContentState.PRESENT, None, in_file=False, encodings=(encoding,)
    )


def read(stored: bytes) -> bytes:
    found, got = sources(stored), bytearray()
    blocks = CheckedBlocks(open_blocks(MemoryBlobs({Digest.of(stored): stored}), found), found)
    try:
        while len(got) < blocks.size_bytes:
            got += blocks.read_into(len(got), bytearray(100))
    except DamagedContent as exc:
        exc.add_note(str(len(got)))
        raise
    finally:
        blocks.close()
    return bytes(got)


def test_blocks_of_the_right_content_are_handed_out() -> None:
    assert read(seekable(GOOD[:1000], GOOD[1000:])) == GOOD


def test_the_last_block_of_another_content_is_never_handed_out() -> None:
    hostile = seekable(EVIL[:1000], EVIL[1000:])
    with pytest.raises(FalseEncoding) as caught:
        read(hostile)
    assert (caught.value.digest, caught.value.content) == (Digest.of(hostile), Digest.of(GOOD))
    assert caught.value.__notes__ == ["1000"]


def test_parts_that_are_read_twice_count_once() -> None:
    check = WholeCheck(sources(b"stored"))
    for start, stop in ((0, 10), (5, 20), (5, 20), (20, len(GOOD))):
        check.see(start, memoryview(GOOD)[start:stop])
    with pytest.raises(FalseEncoding):
        other = WholeCheck(sources(b"stored"))
        other.see(0, memoryview(GOOD)[:9])
        other.see(0, memoryview(EVIL))


def test_a_part_is_not_compared() -> None:
    WholeCheck(sources(b"stored")).see(1, memoryview(EVIL)[1:])


def test_the_error_names_what_is_wrong() -> None:
    with pytest.raises(DamagedContent) as caught:
        WholeCheck(sources(b"stored", is_ours=True)).see(0, memoryview(EVIL))
    assert not isinstance(caught.value, FalseEncoding)
    assert caught.value.digest == Digest.of(b"stored")
    with pytest.raises(DamagedContent) as caught:
        WholeCheck(replace(sources(b"stored"), in_file=True)).see(0, memoryview(EVIL))
    assert caught.value.digest == Digest.of(GOOD)
