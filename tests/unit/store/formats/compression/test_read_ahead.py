"""The reader that decodes a compressed stream in a separate thread."""

from __future__ import annotations

import gzip
import io
import threading
from random import Random

import pytest

from store.errors import CorruptStream, TooLarge, TruncatedInput
from store.formats.compression.decoders import decoder
from store.formats.compression.read_ahead import DecodingReader
from store.model.contents import Codec

NOISE = Random(1).randbytes(9 << 20)


class Failing(io.RawIOBase):
    """A source that returns its data, then raises an OSError."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1, /) -> bytes:
        return self._data.read(size) or self._fail()

    def _fail(self) -> bytes:
        raise OSError("the cable was pulled")


class Watched(io.BytesIO):
    """A source that records the threads that read from it."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.threads: set[int] = set()

    def read(self, size: int | None = -1, /) -> bytes:
        self.threads.add(threading.get_ident())
        return super().read(size)


def decoding_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "decoding"]


@pytest.mark.parametrize("step", [512, 100_000, 4 << 20, 64 << 20])
def test_reads_are_filled_until_the_end(step: int) -> None:
    data = NOISE[: 512 * 100] if step == 512 else NOISE
    reader = DecodingReader(
        io.BytesIO(gzip.compress(data, 1)), decoder(Codec.GZIP, max_bytes=1 << 40)
    )
    pieces = []
    while piece := reader.read(step):
        pieces.append(piece)
    assert b"".join(pieces) == data
    assert all(len(piece) == step for piece in pieces[:-1])
    assert reader.read(step) == b""
    reader.close()


def test_source_is_read_on_the_caller_thread_only() -> None:
    source = Watched(gzip.compress(NOISE, 1))
    reader = DecodingReader(source, decoder(Codec.GZIP, max_bytes=1 << 40))
    while reader.read(1 << 20):
        pass
    reader.close()
    assert source.threads == {threading.get_ident()}


@pytest.mark.parametrize("read", [0, 1, 1 << 20])
def test_an_abandoned_reader_leaves_no_thread(read: int) -> None:
    reader = DecodingReader(
        io.BytesIO(gzip.compress(bytes(200 << 20), 1)), decoder(Codec.GZIP, max_bytes=1 << 40)
    )
    assert len(reader.read(read)) == read
    reader.close()
    reader.close()
    assert decoding_threads() == []
    with pytest.raises(ValueError, match="closed"):
        reader.read(1)


def test_errors_come_after_the_bytes_before_them_and_stay() -> None:
    data = gzip.compress(NOISE, 1)
    reader = DecodingReader(io.BytesIO(data[:-4]), decoder(Codec.GZIP, max_bytes=1 << 40))
    got = b""
    with pytest.raises(TruncatedInput):
        while True:
            got += reader.read(1 << 22)
    assert got == NOISE
    with pytest.raises(TruncatedInput):
        reader.read(1)
    reader.close()


@pytest.mark.parametrize(
    ("data", "max_bytes", "error"),
    [
        (gzip.compress(b"x" * 100, mtime=0), 99, TooLarge),
        (b"\x1f\x8b\x08 nonsense" * 10, 1 << 40, CorruptStream),
        (b"", 1 << 40, TruncatedInput),
    ],
)
def test_an_error_of_the_decoder_is_raised(
    data: bytes, max_bytes: int, error: type[Exception]
) -> None:
    reader = DecodingReader(io.BytesIO(data), decoder(Codec.GZIP, max_bytes=max_bytes))
    with pytest.raises(error):
        reader.read(1000)
    reader.close()


def test_an_error_of_the_source_is_raised_after_the_bytes_before_it() -> None:
    reader = DecodingReader(Failing(b"plain"), decoder(Codec.IDENTITY, max_bytes=1 << 40))
    assert reader.read(3) == b"pla"
    assert reader.read(3) == b"in"
    for _ in range(2):
        with pytest.raises(OSError, match="cable"):
            reader.read(3)
    reader.close()
