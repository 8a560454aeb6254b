from __future__ import annotations

import gzip
import random
from typing import TYPE_CHECKING

import pytest
import zstandard

from store.blobs.memory import MemoryBlobs
from store.content import encoding_check
from store.content.encoding_check import decodes_to, has_digest, has_sound_frames
from store.content.stored import open_stored
from store.errors import CorruptStream, Unavailable
from store.formats.compression.memory import MemoryBudget
from store.model.contents import Codec, StoredEncoding
from store.model.digests import Digest
from tests.support.hostile_zstd import ATTACKS, seekable

if TYPE_CHECKING:
    from store.blobs.protocol import OpenBlob

GOOD = random.Random(3).randbytes(40_000) + b"echo harmless" * 1000
EVIL = GOOD.replace(b"harmless", b"evilevil")
CONTENT = Digest.of(GOOD)
MEMORY = MemoryBudget(1 << 20)


def opened(data: bytes) -> OpenBlob:
    return open_stored(MemoryBlobs({Digest.of(data): data}), Digest.of(data))


def sound(data: bytes, content: bytes = GOOD) -> bool:
    stored = StoredEncoding(Digest.of(data), Codec.ZSTD, len(data), seekable=False)
    return has_sound_frames(opened(data), stored, Digest.of(content), len(content), MEMORY)


@pytest.mark.parametrize("parts", [(GOOD,), (GOOD[:1], GOOD[1:]), (GOOD[:9], b"", GOOD[9:])])
def test_frames_that_fill_their_ranges_are_sound(parts: tuple[bytes, ...]) -> None:
    assert sound(seekable(*parts))


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_table_that_does_not_fit_is_unsound_although_the_stream_is_right(attack: str) -> None:
    data = ATTACKS[attack](GOOD, EVIL)
    assert decodes_to(opened(data), Codec.ZSTD, CONTENT, len(GOOD), MEMORY)
    assert not sound(data)


def test_sound_frames_of_another_content_of_the_same_size_are_refused() -> None:
    assert not sound(seekable(EVIL))


def test_a_flipped_bit_in_a_frame_is_refused() -> None:
    data = bytearray(seekable(GOOD[:99], GOOD[99:]))
    data[40] ^= 1
    assert not sound(bytes(data))


@pytest.mark.parametrize(
    ("codec", "data", "right"),
    [
        (Codec.GZIP, gzip.compress(GOOD), True),
        (Codec.GZIP, gzip.compress(GOOD[:5]) + gzip.compress(GOOD[5:]), True),
        (Codec.GZIP, gzip.compress(GOOD) + gzip.compress(b"more"), False),
        (Codec.GZIP, gzip.compress(GOOD) + b"\0\0", False),
        (Codec.GZIP, gzip.compress(GOOD[:-1]), False),
        (Codec.GZIP, gzip.compress(GOOD)[:-1], False),
        (Codec.GZIP, gzip.compress(EVIL), False),
        (Codec.ZSTD, zstandard.compress(GOOD[:5]) + zstandard.compress(GOOD[5:]), True),
        (Codec.ZSTD, zstandard.compress(GOOD) + zstandard.compress(b"more"), False),
        (Codec.ZSTD, zstandard.compress(GOOD) + b"\0\0\0\0", False),
        (Codec.ZSTD, zstandard.compress(GOOD)[:-1], False),
        (Codec.ZSTD, zstandard.compress(EVIL), False),
    ],
)
def test_a_stream_has_to_give_the_whole_content_and_nothing_else(
    codec: Codec, data: bytes, *, right: bool
) -> None:
    assert decodes_to(opened(data), codec, CONTENT, len(GOOD), MEMORY) is right


def test_the_digest_of_a_blob_is_that_of_all_its_bytes() -> None:
    assert has_digest(opened(GOOD), CONTENT)
    changed = open_stored(MemoryBlobs({CONTENT: EVIL}), CONTENT)
    assert not has_digest(changed, CONTENT)


def test_a_decoder_without_memory_does_not_refuse_a_blob(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise CorruptStream("corrupt zstd data: Allocation error : not enough memory")

    data = seekable(GOOD)
    monkeypatch.setattr(encoding_check, "stream", fail)
    with pytest.raises(Unavailable):
        decodes_to(opened(data), Codec.ZSTD, CONTENT, len(GOOD), MEMORY)
