"""Decode a whole blob as a stream, with a ceiling for its output and a lease for its memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.formats.compression.decoders import PIECE_BYTES, decoder
from store.model.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from store.blobs.protocol import OpenBlob
    from store.formats.compression.growth import Ratio
    from store.formats.compression.memory import MemoryLease
    from store.model.contents import Codec


def stream(
    blob: OpenBlob,
    codec: Codec,
    *,
    max_bytes: int,
    memory: MemoryLease,
    ratio: Ratio | None = None,
    on_stored: Callable[[bytes], None] | None = None,
    read_bytes: int = MIB,
) -> Iterator[bytes]:
    """Decode a whole blob as a stream, from its first byte.

    Args:
        blob: The open blob; the caller closes it.
        codec: The codec of the blob.
        max_bytes: The ceiling for all decoded bytes.
        memory: The lease for the memory of the decoder. The caller releases it.
        ratio: How much larger than the blob the decoded bytes may be; None for no limit.
        on_stored: Called with each piece of the blob before it is decoded; None for no call.
        read_bytes: Bytes per read from the blob.

    Raises:
        InvalidInput: The blob does not decode, or decodes to more than the ceiling.
        DecodersBusy: Other decoders use the memory.
    """
    decode = decoder(
        codec,
        max_bytes=max_bytes,
        ratio=ratio,
        # The stream also holds a piece of the blob, and a piece of decoded bytes.
        memory=lambda size_bytes: memory.require(size_bytes + read_bytes + PIECE_BYTES),
    )
    position = 0
    while data := blob.pread(position, read_bytes):
        position += len(data)
        if on_stored is not None:
            on_stored(data)
        yield from decode.feed(data)
    yield from decode.finish()
