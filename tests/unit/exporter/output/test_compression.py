from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING

import pytest
import zstandard

from exporter.output.compression import CODECS, compressed
from exporter.output.tar_file import descriptor_of

if TYPE_CHECKING:
    from pathlib import Path


def run(codec: str | None, *pieces: bytes) -> bytes:
    out = io.BytesIO()
    with compressed(out, codec) as sink:
        for piece in pieces:
            assert sink.write(piece) == len(piece)
    return out.getvalue()


@pytest.mark.parametrize("codec", CODECS)
def test_pieces_become_one_stream_that_depends_on_the_bytes_alone(codec: str) -> None:
    data = run(codec, b"one", b"", b"two" * 100_000)
    plain = (
        gzip.decompress(data)
        if codec == "gzip"
        else zstandard.ZstdDecompressor().decompressobj().decompress(data)
    )
    assert plain == b"one" + b"two" * 100_000
    assert run(codec, b"one", b"", b"two" * 100_000) == data


def test_the_gzip_header_has_no_time_and_no_name() -> None:
    assert run("gzip", b"data")[3:8] == bytes(5)


def test_without_a_codec_the_sink_is_used_directly() -> None:
    assert run(None, b"one", b"two") == b"onetwo"


def test_a_failed_block_leaves_the_stream_unfinished() -> None:
    out = io.BytesIO()
    with pytest.raises(KeyError), compressed(out, "gzip") as sink:
        sink.write(b"data" * 100_000)
        raise KeyError
    with pytest.raises(EOFError):
        gzip.decompress(out.getvalue())


def test_a_compressing_sink_cannot_be_written_at_an_offset(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb", buffering=0) as file, compressed(file, "gzip") as sink:
        assert descriptor_of(file) == file.fileno()
        assert descriptor_of(sink) is None
