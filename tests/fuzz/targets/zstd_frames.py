"""Seekable zstd made of any frames with any table: only the true table is accepted.

The input is a list of steps. Each step adds a frame, a skippable frame or other bytes to the blob,
and a row to the seek table, which may state wrong sizes. So the target knows where each frame
begins, and which table is right.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final

import zstandard

from store.blobs.memory import MemoryBlobs
from store.content.blocks import open_blocks
from store.content.encoding_check import decodes_to, has_sound_frames
from store.content.stored import open_stored
from store.errors import StoreError
from store.formats.compression.memory import MemoryBudget
from store.formats.compression.seekable_zstd import seek_table
from store.formats.compression.zstd_blocks import is_one_frame
from store.model.contents import Codec, ContentState, Sources, StoredEncoding
from store.model.digests import Digest
from tests.support.hostile_zstd import skippable

if TYPE_CHECKING:
    from store.blobs.protocol import BlobStore

MAX_BYTES: Final = 96
_STEP_BYTES: Final = 3
_MEMORY: Final = MemoryBudget(64 << 20)
_KINDS: Final = 8
_LAST_SOUND: Final = 3
"""The last kind of step that adds exactly one frame with its size; the fourth has no checksum."""

SEEDS: Final = (
    bytes([0, 10, 0, 1, 20, 0]),
    bytes([0, 10, 0, 2, 9, 0, 1, 20, 0]),
    bytes([0, 10, 1, 0, 11, 2]),
    bytes([3, 40, 0, 4, 40, 0]),
    bytes([5, 7, 0, 0, 7, 0]),
    bytes([6, 30, 0, 0, 30, 0]),
    bytes([7, 30, 0, 0, 0, 3]),
    bytes([1, 200, 4, 1, 200, 5, 1, 200, 6]),
)
TOKENS: Final = (b"\0\0\0", b"\x01\xff\x00", b"\x02\x08\x00", b"\x07\x20\x07")


class _Blob:
    """A blob that grows step by step, with its content and its table."""

    def __init__(self) -> None:
        self.stored = bytearray()
        self.content = bytearray()
        self.table: list[tuple[int, int]] = []
        self.honest = True
        """Whether each row of the table is exactly one frame with its size in its header."""

    def step(self, kind: int, size: int, lie: int) -> None:
        """Add the frame that three bytes describe, and its row."""
        content = bytes([kind]) * size + bytes([size])
        data, content = _bytes_of(kind, size, content)
        true = (len(data), len(content))
        before, stated = _rows(lie % _KINDS, size, *true)
        self.honest &= kind <= _LAST_SOUND and not before and stated == true
        self.stored += data
        self.content += content
        self.table += [*before, stated]


def _bytes_of(kind: int, size: int, content: bytes) -> tuple[bytes, bytes]:
    """Return the stored bytes of a step, and the content to which a stream decodes them."""
    match kind:
        case 4:
            return _frame(content, sized=False), content
        case 5:
            return skippable(content), b""
        case 6:
            half = len(content) // 2
            return _frame(content[:half]) + _frame(content[half:]), content
        case 7:
            return _frame(content) + skippable(b"tail" * (size % 3)), content
        case _:
            return _frame(content, level=1 + kind, checksum=kind != _LAST_SOUND), content


def _rows(
    lie: int, size: int, stored_bytes: int, content_bytes: int
) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    """Return the rows before the row of a frame, and that row; ``lie`` chooses what is wrong."""
    cut = min(stored_bytes, size)
    true = (stored_bytes, content_bytes)
    rows: tuple[list[tuple[int, int]], ...] = (
        [true],
        [(stored_bytes + size, content_bytes)],
        [(stored_bytes - cut, content_bytes)],
        [(stored_bytes, content_bytes + size)],
        [(stored_bytes, content_bytes - min(content_bytes, size))],
        [(0, 0), true],
        [(cut, 0), (stored_bytes - cut, content_bytes)],
        [(stored_bytes, 0xFFFFFFFF - size)],
    )
    *before, stated = rows[lie]
    return before, stated


def _frame(content: bytes, *, level: int = 1, checksum: bool = True, sized: bool = True) -> bytes:
    return zstandard.ZstdCompressor(
        level=level, write_checksum=checksum, write_content_size=sized
    ).compress(content)


def check(data: bytes) -> None:
    """Check a blob against its table, and read it as foreign and as ours."""
    blob = _Blob()
    for at in range(0, len(data) - _STEP_BYTES + 1, _STEP_BYTES):
        kind, size, lie = data[at : at + _STEP_BYTES]
        blob.step(kind % _KINDS, size, lie)
    content = bytes(blob.content)
    stored = bytes(blob.stored) + seek_table(blob.table)
    digest = Digest.of(stored)
    blobs = MemoryBlobs({digest: stored})
    foreign = StoredEncoding(digest, Codec.ZSTD, len(stored), seekable=False)
    with closing(open_stored(blobs, digest)) as opened:
        assert decodes_to(opened, Codec.ZSTD, Digest.of(content), len(content), _MEMORY)
        assert not decodes_to(opened, Codec.ZSTD, Digest.of(content + b"x"), len(content), _MEMORY)
        sound = has_sound_frames(opened, foreign, Digest.of(content), len(content), _MEMORY)
        assert not has_sound_frames(
            opened, foreign, Digest.of(content + b"x"), len(content), _MEMORY
        )
    # An empty frame may be found without its size, because there is nothing to read in it.
    assert sound == blob.honest or not content, (sound, blob.honest)
    if sound:
        _check_rows(blob)
        seekable = StoredEncoding(digest, Codec.ZSTD, len(stored), seekable=True, is_checked=True)
        for start in {0, len(content) // 2, max(0, len(content) - 1)}:
            assert _read(blobs, seekable, content, start) == content[start:]


def _check_rows(blob: _Blob) -> None:
    at = 0
    for stored_bytes, content_bytes in blob.table:
        assert is_one_frame(bytes(blob.stored[at : at + stored_bytes]), content_bytes)
        at += stored_bytes
    assert at == len(blob.stored)


def _read(blobs: BlobStore, encoding: StoredEncoding, content: bytes, start: int) -> bytes:
    sources = Sources(
        Digest.of(content),
        len(content),
        ContentState.PRESENT,
        None,
        in_file=False,
        encodings=(encoding,),
    )
    got = bytearray()
    buffer = bytearray(1000)
    with closing(open_blocks(blobs, sources)) as blocks:
        while start + len(got) < len(content):
            try:
                piece = blocks.read_into(start + len(got), buffer)
            except StoreError as exc:
                raise AssertionError("a checked encoding cannot be read") from exc
            assert piece
            got += piece
    return bytes(got)
