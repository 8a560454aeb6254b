"""The input of an import: a seekable file, a stream or a folder."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import socket
import threading
from pathlib import Path

import pytest

from store.errors import InvalidInput, StoreError, TooLarge, TruncatedInput
from store.formats.archives.opening import Opened, open_source
from store.model.limits import DEFAULT_LIMITS, Limits

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


def test_devices_are_refused_and_the_null_device_is_empty() -> None:
    for path in (Path("/dev/zero"), Path("/dev/full")):
        with pytest.raises(InvalidInput, match="it is a device"), open_source(path, DEFAULT_LIMITS):
            pass
        with (
            path.open("rb", buffering=0) as file,
            pytest.raises(InvalidInput, match="it is a device"),
            open_source(file, DEFAULT_LIMITS),
        ):
            pass
    with pytest.raises(TruncatedInput), open_source(Path(os.devnull), DEFAULT_LIMITS):
        pass


def whole(opened: Opened) -> bytes:
    """Return all bytes of an input, even if each read returns only a small piece."""
    stream = opened.stream
    assert stream is not None
    return b"".join(iter(lambda: stream.read(1000), b""))


def test_a_named_pipe_and_a_socket_are_read(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(target=fifo.write_bytes, args=(DATA,))
    writer.start()
    with open_source(fifo, DEFAULT_LIMITS) as opened:
        assert whole(opened) == DATA
    writer.join()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(DATA)
        theirs.shutdown(socket.SHUT_WR)
        with ours.makefile("rb") as file, open_source(file, DEFAULT_LIMITS) as opened:
            assert whole(opened) == DATA


def test_an_archive_that_expands_too_much_is_refused() -> None:
    bomb = io.BytesIO(bz2.compress(bytes(2 << 20)))
    limits = Limits(free_bytes=1 << 20)
    with open_source(bomb, limits) as opened, pytest.raises(TooLarge, match="1000 : 1"):
        whole(opened)


def test_links_to_devices_are_refused_and_a_socket_in_the_file_system_cannot_be_read(
    tmp_path: Path,
) -> None:
    link = tmp_path / "link"
    link.symlink_to("/dev/zero")
    with pytest.raises(InvalidInput, match="it is a device"), open_source(link, DEFAULT_LIMITS):
        pass
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))
        with pytest.raises(StoreError), open_source(tmp_path / "socket", DEFAULT_LIMITS):
            pass


def test_the_bytes_of_an_input_are_counted(tmp_path: Path) -> None:
    data = gzip.compress(bytes(1000))
    (tmp_path / "a.gz").write_bytes(data)
    with open_source(tmp_path / "a.gz", DEFAULT_LIMITS) as opened:
        assert whole(opened) == bytes(1000)
        assert opened.outermost.read_bytes == len(data)
    (tmp_path / "a").write_bytes(bytes(1000))
    with open_source(tmp_path / "a", DEFAULT_LIMITS) as opened:
        assert opened.outermost.read_bytes == 1000
    with open_source(io.BytesIO(bytes(1000)), DEFAULT_LIMITS) as opened:
        assert whole(opened) == bytes(1000)
        assert opened.outermost.read_bytes == 1000
