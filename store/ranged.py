"""Any part of a content's bytes, whatever form they lie in.

Where `store.reader` hashes the whole of what it reads, a part cannot be checked so: frames of seekable zstd carry checksums, which are
checked here, and who asked for the part checks the whole when it has all of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Final

import zstandard

from store.codecs import Codec, decoder
from store.errors import ContentMissing, CorruptStream, StoreError
from store.limits import MIB
from store.model import ContentState
from store.oserrors import translated
from store.reader import damaged, frame_index

if TYPE_CHECKING:
    from collections.abc import Iterator

    from store.blobs.protocol import BlobStore
    from store.catalog.content import Sources
    from store.model import StoredEncoding
    from store.seekable import Frame

PIECE_BYTES: Final = MIB


def part(blobs: BlobStore, sources: Sources, start: int, stop: int) -> Iterator[bytes]:
    """The bytes from ``start`` to before ``stop``, in pieces; nothing of the content is read before the first is asked for.

    Raises DamagedContent, ContentMissing.
    """
    if sources.state is ContentState.DAMAGED:
        raise damaged(sources.digest, "it was found damaged before")
    if sources.inline is not None:
        return iter((sources.inline[start:stop],) if start < stop else ())
    if sources.in_file:
        return _plain(blobs, sources, start, stop)
    if sources.encodings:
        return _decoded(blobs, sources, sources.encodings[0], start, stop)
    raise ContentMissing(f"the bytes of {sources.digest} are not in the store", digest=sources.digest)


def _plain(blobs: BlobStore, sources: Sources, start: int, stop: int) -> Iterator[bytes]:
    with blobs.open(sources.digest) as file:
        file.seek(start)
        while start < stop:
            with translated(str(sources.digest)):
                piece = file.read(min(PIECE_BYTES, stop - start))
            if not piece:
                raise damaged(sources.digest, f"its file ends after {start} bytes")
            start += len(piece)
            yield piece


def _decoded(blobs: BlobStore, sources: Sources, stored: StoredEncoding, start: int, stop: int) -> Iterator[bytes]:
    with blobs.open(stored.digest) as file:
        frames = frame_index(file, stored) if stored.codec == Codec.ZSTD else None
        if frames and frames[-1].content_offset + frames[-1].content_bytes != sources.size_bytes:
            # Whatever lies behind the frame that it is wrong about would be taken from the wrong place.
            raise damaged(stored.digest, f"its seek table is not that of the {sources.size_bytes} bytes of {sources.digest}")
        try:
            pieces = _stream(file, stored, sources.size_bytes, start, stop) if frames is None else _frames(file, frames, start, stop)
            size = 0
            for piece in pieces:
                size += len(piece)
                yield piece
        except (StoreError, zstandard.ZstdError) as exc:
            raise damaged(stored.digest, str(exc)) from exc
        if size != stop - start:
            raise damaged(stored.digest, f"it decodes to less than the {sources.size_bytes} bytes of {sources.digest}")


def _frames(file: BinaryIO, frames: tuple[Frame, ...], start: int, stop: int) -> Iterator[bytes]:
    decompressor = zstandard.ZstdDecompressor()
    for frame in frames:
        if frame.content_offset + frame.content_bytes <= start or frame.content_offset >= stop:
            continue
        file.seek(frame.stored_offset)
        data = file.read(frame.stored_bytes)
        # As much memory as the frame's header says is allocated at once, whatever the ceiling.
        if zstandard.frame_content_size(data) != frame.content_bytes:
            raise CorruptStream("a frame's header does not fit the seek table")
        whole = decompressor.decompress(data, max_output_size=frame.content_bytes)
        yield whole[max(0, start - frame.content_offset) : stop - frame.content_offset]


def _stream(file: BinaryIO, stored: StoredEncoding, size_bytes: int, start: int, stop: int) -> Iterator[bytes]:
    decode = decoder(Codec(stored.codec), max_bytes=size_bytes)
    position = 0
    while position < stop:
        data = file.read(PIECE_BYTES)
        for piece in decode.feed(data) if data else decode.finish():
            wanted = piece[max(0, start - position) : max(0, stop - position)]
            position += len(piece)
            if wanted:
                yield wanted
        if not data:
            return
