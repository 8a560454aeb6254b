from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
import zstandard

from store.blobs.memory import MemoryBlobs
from store.content.frames import Frames
from store.content.stored import open_stored
from store.errors import DamagedContent
from store.formats.compression.memory import MemoryBudget
from store.formats.compression.seekable_zstd import FOOTER_BYTES, seek_table
from store.model.contents import Codec, StoredEncoding
from store.model.digests import Digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from store.blobs.protocol import OpenBlob
    from store.formats.compression.seekable_zstd import Frame

PARTS = (b"first " * 1000, b"", b"second " * 2000)
SIZE = sum(map(len, PARTS))


def compressed(part: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(part)


ENTRIES = [(len(compressed(part)), len(part)) for part in PARTS]
BODY = b"".join(map(compressed, PARTS))
SOUND = BODY + seek_table(ENTRIES)


def frames_of(
    data: bytes, *, codec: Codec = Codec.ZSTD, seekable: bool = True, size: int = SIZE
) -> Frames | None:
    digest = Digest.of(data)
    blob = open_stored(MemoryBlobs({digest: data}), digest)
    stored = StoredEncoding(digest, codec, len(data), seekable)
    return Frames.of(blob, stored, size, MemoryBudget(1 << 20).lease())


def decode(frames: Frames, frame: Frame) -> bytes:
    return frames.decode(frame, frames.read(frame))


def decode_into(frames: Frames, frame: Frame) -> bytes:
    data = frames.read_into(frame, memoryview(bytearray(1 << 20)))
    return bytes(frames.decode_into(frame, data, bytearray(1 << 20)))


BOTH = pytest.mark.parametrize("way", [decode, decode_into])


@BOTH
def test_every_frame_decodes_to_its_part(way: Callable[[Frames, Frame], bytes]) -> None:
    frames = frames_of(SOUND)
    assert frames is not None
    assert [way(frames, frame) for frame in frames.index] == list(PARTS)


@pytest.mark.parametrize(
    "data",
    [
        BODY,
        b"",
        SOUND[:-1],
        BODY + seek_table(ENTRIES[:-1]),
        BODY + seek_table([*ENTRIES[:-1], (ENTRIES[-1][0], ENTRIES[-1][1] + 1)]),
        seek_table(ENTRIES),
    ],
    ids=["no table", "empty", "cut short", "frame left out", "wrong size", "only a table"],
)
def test_without_a_table_that_fits_there_are_no_frames(data: bytes) -> None:
    assert frames_of(data) is None


def test_other_encodings_have_no_frames() -> None:
    assert frames_of(SOUND, codec=Codec.GZIP) is None
    assert frames_of(SOUND, seekable=False) is None
    assert frames_of(SOUND, size=SIZE - 1) is None


@pytest.mark.parametrize("limit", [max(ENTRIES)[1] - 1, max(ENTRIES)[1]])
def test_frames_that_are_too_large_for_memory_are_decoded_as_a_stream(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("store.content.frames.MAX_FRAME_BYTES", limit)
    assert (frames_of(SOUND) is None) is (limit < max(len(part) for part in PARTS))


@BOTH
def test_flipped_bits_in_a_frame_never_give_other_bytes(
    way: Callable[[Frames, Frame], bytes],
) -> None:
    for bit in range(ENTRIES[0][0] * 8):
        data = bytearray(SOUND)
        data[bit // 8] ^= 1 << bit % 8
        frames = frames_of(bytes(data))
        assert frames is not None
        with suppress(DamagedContent):
            # A few bits of a frame have no effect on its content.
            assert way(frames, frames.index[0]) == PARTS[0]


@BOTH
def test_a_frame_of_another_size_than_the_table_says_is_damaged(
    way: Callable[[Frames, Frame], bytes],
) -> None:
    """The seek table has wrong sizes for two frames, but the sum of all sizes is right."""
    lying = [(ENTRIES[0][0], ENTRIES[0][1] - 1), ENTRIES[1], (ENTRIES[2][0], ENTRIES[2][1] + 1)]
    frames = frames_of(BODY + seek_table(lying))
    assert frames is not None
    for frame in (frames.index[0], frames.index[2]):
        with pytest.raises(DamagedContent):
            way(frames, frame)


@BOTH
def test_a_frame_whose_bytes_end_early_is_damaged(way: Callable[[Frames, Frame], bytes]) -> None:
    digest = Digest.of(SOUND)
    frames = frames_of(SOUND)
    assert frames is not None
    with open_stored(MemoryBlobs({digest: SOUND[:20]}), digest) as cut:
        shorter = Frames(
            cut, StoredEncoding(digest, Codec.ZSTD, len(SOUND), seekable=True), frames.index
        )
        for frame in frames.index:
            with pytest.raises(DamagedContent):
                way(shorter, frame)


@pytest.mark.parametrize(("empty", "is_used"), [(1024 - len(PARTS), True), (1025, False)])
def test_a_table_of_too_many_frames_is_not_read(
    empty: int, monkeypatch: pytest.MonkeyPatch, *, is_used: bool
) -> None:
    reads: list[int] = []
    kind = type(open_stored(MemoryBlobs({Digest.of(SOUND): SOUND}), Digest.of(SOUND)))
    pread = kind.pread

    def counted(blob: OpenBlob, offset: int, size: int) -> bytes:
        reads.append(size)
        return pread(blob, offset, size)

    monkeypatch.setattr(kind, "pread", counted)
    frames = frames_of(BODY + seek_table([*ENTRIES, *[(0, 0)] * empty]))
    assert (frames is not None) is is_used
    assert is_used or sum(reads) == FOOTER_BYTES
