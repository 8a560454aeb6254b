"""Decoding of gzip, bzip2, xz and zstd.

A stream decodes to the same bytes however it is cut into pieces, and never to more than the
ceiling. The bytes equal those of the reference implementation.

The first byte of the input chooses the pieces, and whether the other bytes are compressed first.
The other bytes are the stream.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import zstandard

from store.errors import CorruptStream, StoreError, TooLarge, TruncatedInput
from store.formats.compression.codecs import MAGIC_BYTES, detect
from store.formats.compression.decoders import PIECE_BYTES, decoder
from store.formats.compression.read_ahead import DecodingReader
from store.model.contents import Codec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MAX_BYTES: Final = 4096
CEILING: Final = 1 << 20
TEXT: Final = b"alpha\n" * 40 + bytes(300)
_CUTS: Final = ((1,), (3, 1), (7, 64), (1024,))
_ENCODE: Final[dict[Codec, Callable[[bytes], bytes]]] = {
    Codec.GZIP: lambda data: gzip.compress(data, 1, mtime=0),
    Codec.BZIP2: lambda data: bz2.compress(data, 1),
    Codec.XZ: lambda data: lzma.compress(data, preset=0),
    Codec.ZSTD: lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data),
}
_PLAIN: Final = len(_CUTS)
SKIPPABLE: Final = b"\x50\x2a\x4d\x18\x04\0\0\0skip"
SEEDS: Final = (
    *(bytes([cut]) + encode(TEXT) for cut in range(_PLAIN) for encode in _ENCODE.values()),
    b"\0" + gzip.compress(b"a") + gzip.compress(b"") + gzip.compress(TEXT),
    b"\1"
    + lzma.compress(b"a", check=lzma.CHECK_SHA256)
    + bytes(8)
    + lzma.compress(TEXT, check=lzma.CHECK_CRC32),
    b"\2"
    + SKIPPABLE
    + zstandard.ZstdCompressor(write_content_size=False).compress(TEXT)
    + SKIPPABLE,
    b"\3" + zstandard.ZstdCompressor(level=19).compress(bytes(range(256)) * 8),
    b"\0" + gzip.compress(bytes(2 * CEILING), 1),
    b"\4plain",
)
TOKENS: Final = (
    b"\x1f\x8b\x08\0",
    b"\x1f\x8b\x08\x1f",
    b"BZh1",
    b"1AY&SY",
    b"\x17\x72\x45\x38\x50\x90",
    b"\xfd7zXZ\0",
    b"YZ",
    b"\x28\xb5\x2f\xfd",
    b"\x28\xb5\x2f\xfd\x20",
    b"\x50\x2a\x4d\x18",
    b"\x5e\x2a\x4d\x18",
    b"\0\0\0\0",
    b"\x01\0\0",
    b"\x02\xff\xff",
    b"\x03\0\x08",
)


_REFUSALS: Final = (
    OSError,
    EOFError,
    ValueError,
    MemoryError,
    zlib.error,
    lzma.LZMAError,
    zstandard.ZstdError,
)


def check(data: bytes) -> None:
    """Check that all readers of the stream agree."""
    how, stream = data[:1] or b"\0", data[1:]
    turn = how[0] % (_PLAIN + len(_ENCODE))
    if turn >= _PLAIN:
        content = stream
        codec = list(_ENCODE)[turn - _PLAIN]
        stream = _ENCODE[codec](content)
        assert _decoded(codec, stream, _CUTS[how[0] % _PLAIN], CEILING) == content
    codec = detect(stream[:MAGIC_BYTES])
    whole = _decoded(codec, stream, (len(stream) or 1,), CEILING)
    assert _decoded(codec, stream, _CUTS[how[0] % _PLAIN], CEILING) == whole
    if how[0] & 0x80:
        assert _read(codec, stream) == whole
    if isinstance(whole, bytes):
        if whole:
            assert _decoded(codec, stream, (len(stream),), len(whole) - 1) is TooLarge
        if codec is not Codec.IDENTITY:
            # The reference may ignore bytes after the stream, which storectl refuses.
            assert whole.startswith(_reference(codec, stream) or b"")
    elif whole in (CorruptStream, TruncatedInput):
        assert _reference(codec, stream) is None or not _is_one_stream(codec, stream)


def _decoded(
    codec: Codec, stream: bytes, sizes: Sequence[int], max_bytes: int
) -> bytes | type[StoreError]:
    decode = decoder(codec, max_bytes=max_bytes, member="m")
    out = bytearray()
    position = turn = 0
    try:
        while position < len(stream):
            size = sizes[turn % len(sizes)]
            for piece in decode.feed(memoryview(stream)[position : position + size]):
                assert 0 < len(piece) <= PIECE_BYTES
                out += piece
                assert len(out) <= max_bytes
            position += size
            turn += 1
        for piece in decode.finish():
            out += piece
    except StoreError as exc:
        assert exc.message.isprintable()
        return type(exc)
    return bytes(out)


def _read(codec: Codec, stream: bytes) -> bytes | type[StoreError]:
    """Decode the stream with `DecodingReader`, which decodes in its own thread."""
    reader = DecodingReader(io.BytesIO(stream), decoder(codec, max_bytes=CEILING))
    out = bytearray()
    try:
        while piece := reader.read(1000):
            out += piece
    except StoreError as exc:
        with suppress(type(exc)):
            reader.read(1)
            raise AssertionError("the reader does not raise its error again") from None
        return type(exc)
    finally:
        reader.close()
    return bytes(out)


def _reference(codec: Codec, stream: bytes) -> bytes | None:
    """Return the first stream as the reference decodes it, or None if the reference refuses it."""
    decompressor = _decompressor(codec)
    try:
        content: bytes = decompressor.decompress(stream)
    except _REFUSALS:
        return None
    return content if decompressor.eof else None


def _is_one_stream(codec: Codec, stream: bytes) -> bool:
    decompressor = _decompressor(codec)
    decompressor.decompress(stream)
    return not decompressor.unused_data


def _decompressor(codec: Codec) -> Any:  # noqa: ANN401 - four classes of four libraries
    match codec:
        case Codec.GZIP:
            return zlib.decompressobj(wbits=31)
        case Codec.BZIP2:
            return bz2.BZ2Decompressor()
        case Codec.XZ:
            return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=256 << 20)
        case _:
            return zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
