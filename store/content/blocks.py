"""Any part of a content's bytes, whatever form they lie in, a block at a time and into the caller's memory.

Where `store.content.reader` hashes the whole of what it reads, a part cannot be checked so: frames
of seekable zstd carry checksums, which are checked here, and who asked for the part checks the
whole when it has all of it.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol, final

import zstandard

from store.content.frames import damaged, frame_index
from store.errors import ContentMissing, StoreError
from store.files.os_errors import translated
from store.formats.compression.codecs import Codec
from store.formats.compression.decoders import decoder
from store.model.contents import ContentState
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.blobs.protocol import BlobStore
    from store.formats.compression.seekable_zstd import Frame
    from store.model.contents import Sources, StoredEncoding
    from store.model.digests import Digest

BLOCK_BYTES: Final = 4 * MIB
"""As much as one frame of our own making decodes to: a good size for a buffer."""

PIECE_BYTES: Final = MIB
_STORED_PIECE_BYTES: Final = 128 * 1024


class Blocks(Protocol):
    """Bytes that can be read from anywhere.

    One caller at a time; it may be another thread every time.
    """

    @property
    def size_bytes(self) -> int:
        """How many there are."""

    def read_into(self, position: int, buffer: bytearray) -> memoryview:
        """Some bytes from ``position`` on, at least one.

        They lie in ``buffer`` or elsewhere, and are good until the next call.

        Raises DamagedContent, ContentMissing.
        """

    def close(self) -> None:
        """Let files go."""


def open_blocks(blobs: BlobStore, sources: Sources) -> Blocks:
    """The bytes of a content. Raises DamagedContent, ContentMissing."""
    if sources.state is ContentState.DAMAGED:
        raise damaged(sources.digest, "it was found damaged before")
    if sources.inline is not None:
        return _Inline(sources.inline)
    if sources.in_file:
        return _Plain(blobs.open(sources.digest), sources.digest, sources.size_bytes)
    if not sources.encodings:
        raise ContentMissing(
            f"the bytes of {sources.digest} are not in the store", digest=sources.digest
        )
    stored = sources.encodings[0]
    file = blobs.open(stored.digest)
    frames = frame_index(file, stored) if stored.codec == Codec.ZSTD else None
    if frames is None or sum(frame.content_bytes for frame in frames) != sources.size_bytes:
        return _Stream(file, stored, sources)
    return _Frames(file, frames, stored.digest, sources.size_bytes)


@final
class _Inline:
    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self.size_bytes = len(data)

    def read_into(self, position: int, buffer: bytearray) -> memoryview:
        del buffer
        return self._data[position:]

    def close(self) -> None:
        """Nothing is open."""


@final
class _Plain:
    def __init__(self, file: BinaryIO, digest: Digest, size_bytes: int) -> None:
        self._file = file
        self._digest = digest
        self.size_bytes = size_bytes

    def read_into(self, position: int, buffer: bytearray) -> memoryview:
        view = memoryview(buffer)[: self.size_bytes - position]
        with translated(str(self._digest)):
            count = os.preadv(self._file.fileno(), [view], position)
        if not count:
            raise damaged(self._digest, f"its file ends after {position} bytes")
        return view[:count]

    def close(self) -> None:
        self._file.close()


@final
class _Frames:
    """Independent frames: one is decoded at a time, whichever is asked for."""

    def __init__(
        self, file: BinaryIO, frames: tuple[Frame, ...], stored: Digest, size_bytes: int
    ) -> None:
        self._file = file
        self._frames = [frame for frame in frames if frame.content_bytes]
        self._starts = [frame.content_offset for frame in self._frames]
        self._stored = stored
        self.size_bytes = size_bytes

    def read_into(self, position: int, buffer: bytearray) -> memoryview:
        frame = self._frames[bisect_right(self._starts, position) - 1]
        with translated(str(self._stored)):
            data = os.pread(self._file.fileno(), frame.stored_bytes, frame.stored_offset)
        # Others may make larger frames than ours.
        plain = memoryview(
            buffer if frame.content_bytes <= len(buffer) else bytearray(frame.content_bytes)
        )[: frame.content_bytes]
        try:
            # As much memory as the frame's header says is allocated at once, whatever the ceiling:
            # so it is compared with the table first.
            fits = len(data) == frame.stored_bytes and zstandard.frame_content_size(data) == len(
                plain
            )
            with zstandard.ZstdDecompressor().stream_reader(
                data, read_across_frames=False
            ) as decoded:
                # One read more: only who reads to the end of a frame has its checksum compared.
                fits = fits and decoded.readinto(plain) == len(plain) and not decoded.read(1)
        except zstandard.ZstdError as exc:
            raise damaged(self._stored, str(exc)) from exc
        if not fits:
            raise damaged(self._stored, "a frame does not fit the seek table")
        return plain[position - frame.content_offset :]

    def close(self) -> None:
        self._file.close()


@final
class _Stream:
    """Bytes that can only be decoded from the start: going on is cheap, going back begins anew."""

    def __init__(self, file: BinaryIO, stored: StoredEncoding, sources: Sources) -> None:
        self._file = file
        self._stored = stored
        self._digest = sources.digest
        self.size_bytes = sources.size_bytes
        self._pieces = self._decoded()
        self._piece = memoryview(b"")
        self._start = 0

    def read_into(self, position: int, buffer: bytearray) -> memoryview:
        del buffer
        if position < self._start:
            self._pieces, self._piece, self._start = self._decoded(), memoryview(b""), 0
        while position >= self._start + len(self._piece):
            self._start += len(self._piece)
            self._piece = memoryview(b"")
            try:
                piece = next(self._pieces, None)
            except (StoreError, zstandard.ZstdError) as exc:
                raise damaged(self._stored.digest, str(exc)) from exc
            if piece is None:
                raise damaged(
                    self._stored.digest,
                    f"it decodes to {self._start} bytes, not the {self.size_bytes} of"
                    f" {self._digest}",
                )
            self._piece = memoryview(piece)
        return self._piece[position - self._start :]

    def _decoded(self) -> Iterator[bytes]:
        decode = decoder(Codec(self._stored.codec), max_bytes=self.size_bytes)
        position = 0
        with translated(str(self._stored.digest)):
            while data := os.pread(self._file.fileno(), _STORED_PIECE_BYTES, position):
                position += len(data)
                yield from decode.feed(data)
        yield from decode.finish()

    def close(self) -> None:
        self._file.close()
