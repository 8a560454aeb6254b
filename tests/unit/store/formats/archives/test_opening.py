"""The input of an import: a seekable file, a stream or a folder."""

from __future__ import annotations

import gzip
import io
import os
from typing import TYPE_CHECKING

import pytest

from store.errors import InvalidInput, TooLarge, TruncatedInput
from store.formats.archives.opening import open_source
from store.model.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from pathlib import Path

DATA = b"the bytes of an archive" * 100


def test_a_plain_file_is_seekable_and_starts_at_its_first_byte(tmp_path: Path) -> None:
    path = tmp_path / "archive.tar"
    path.write_bytes(DATA)
    with open_source(path, DEFAULT_LIMITS) as opened:
        assert opened.seekable
        assert (opened.folder, opened.size_bytes) == (None, len(DATA))
        assert opened.stream is not None
        assert opened.stream.read(len(DATA)) == DATA


def test_a_compressed_file_is_decompressed_and_not_seekable(tmp_path: Path) -> None:
    path = tmp_path / "archive.tar.gz"
    path.write_bytes(gzip.compress(DATA))
    with open_source(path, DEFAULT_LIMITS) as opened:
        assert not opened.seekable
        assert opened.size_bytes == path.stat().st_size
        assert opened.stream is not None
        assert opened.stream.read(len(DATA) + 1) == DATA


def test_a_folder_is_opened_as_a_folder(tmp_path: Path) -> None:
    with open_source(tmp_path, DEFAULT_LIMITS) as opened:
        assert (opened.stream, opened.folder, opened.size_bytes) == (None, tmp_path, None)


def test_a_stream_without_a_file_is_read_once() -> None:
    with open_source(io.BytesIO(DATA), DEFAULT_LIMITS) as opened:
        assert (opened.seekable, opened.size_bytes) == (False, None)
        assert opened.stream is not None
        parts = []
        while part := opened.stream.read(len(DATA)):
            parts.append(part)
        assert b"".join(parts) == DATA


def test_standard_input_may_be_a_regular_file_at_its_start(tmp_path: Path) -> None:
    path = tmp_path / "archive.tar"
    path.write_bytes(DATA)
    with path.open("rb", buffering=0) as file, open_source(file, DEFAULT_LIMITS) as opened:
        assert (opened.seekable, opened.size_bytes) == (True, len(DATA))
    with path.open("rb", buffering=0) as file:
        file.seek(5)
        with open_source(file, DEFAULT_LIMITS) as opened:
            assert (opened.seekable, opened.size_bytes) == (False, None)


def test_a_pipe_that_gives_single_bytes_is_recognised() -> None:
    ours, theirs = os.pipe()
    with os.fdopen(ours, "rb", buffering=0) as pipe:
        os.write(theirs, gzip.compress(DATA))
        os.close(theirs)
        with open_source(pipe, DEFAULT_LIMITS) as opened:
            assert opened.stream is not None
            assert opened.stream.read(len(DATA)) == DATA


def test_an_empty_input_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(TruncatedInput, match="the input is empty"),
        open_source(io.BytesIO(b""), DEFAULT_LIMITS),
    ):
        pass
    with (
        pytest.raises(InvalidInput, match=r"gone.tar: no such file"),
        open_source(tmp_path / "gone.tar", DEFAULT_LIMITS),
    ):
        pass


def test_a_whole_archive_may_have_the_size_of_64_layers() -> None:
    def read(layer_bytes: int) -> bytes:
        compressed = io.BytesIO(gzip.compress(bytes(6400)))
        with open_source(compressed, Limits(layer_bytes=layer_bytes)) as opened:
            assert opened.stream is not None
            return opened.stream.read(10_000)

    assert len(read(100)) == 6400
    with pytest.raises(TooLarge):
        read(99)
