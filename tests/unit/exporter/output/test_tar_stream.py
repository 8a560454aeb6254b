"""Archives that other programs can read, written to sinks that accept only part of a write."""

from __future__ import annotations

import io
import os
import tarfile
import threading
from typing import TYPE_CHECKING

import pytest

from exporter.output.tar_stream import headers, pieces, write_all
from exporter.planning import layout
from exporter.planning.plan import Entry, EntryType, Plan
from store.errors import Unavailable
from store.model.digests import Digest

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store

HASH = "0123456789abcdef" * 8


def written(plan: Plan) -> bytes:
    """Return the tar archive that a plan describes; each member of the plan is given as bytes."""
    out = io.BytesIO()
    for entry in plan.entries:
        out.write(b"".join(headers(entry, plan.owner)))
        data = entry.source if isinstance(entry.source, bytes) else b""
        out.write(data.ljust(-(-len(data) // 512) * 512, b"\0"))
    out.write(bytes(1024))
    return out.getvalue()


def test_readers_find_the_whole_of_a_path_that_does_not_fit_the_header() -> None:
    path = layout.blob_path(Digest("sha512", HASH))
    plan = Plan(
        (
            *layout.blobs({Digest("sha512", HASH): layout.file(path, b"data", 4)}),
            layout.file("index.json", b"{}", 2),
        ),
        owner="",
    )
    archive = written(plan)
    assert len(archive) == plan.size_bytes
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert tar.getnames() == ["blobs", "blobs/sha512", path, "index.json"]
        member = tar.extractfile(path)
        assert member is not None
        assert member.read() == b"data"


def test_a_long_path_is_written_as_go_writes_it() -> None:
    # archive/tar of Go 1.26.8 writes the same bytes in WriteHeader for this name, Mode 0644, Size 4
    # and TypeReg.
    path = f"blobs/sha512/{HASH}"
    blocks = b"".join(headers(Entry(path, EntryType.FILE, 0o644, 0, 4, b"data"), ""))
    assert len(blocks) == 3 * 512
    extension, records, header = blocks[:512], blocks[512:1024], blocks[1024:]
    assert extension[:100] == f"blobs/sha512/PaxHeaders.0/{HASH}"[:100].encode()
    assert extension[156:157] == b"x"
    assert records.rstrip(b"\0") == f"151 path={path}\n".encode()
    assert header[:100] == path[:100].encode()
    assert header[156:157] == b"0"


@pytest.mark.parametrize(("length", "pax"), [(100, False), (101, True)])
def test_only_a_path_over_a_hundred_bytes_has_a_pax_header(length: int, pax: bool) -> None:
    entry = Entry("p" * length, EntryType.FILE, 0o644, 0, 0, b"")
    assert bool(entry.records()) is pax
    blocks = b"".join(headers(entry, ""))
    assert len(blocks) == entry.archived_bytes
    with tarfile.open(fileobj=io.BytesIO(blocks + bytes(1024))) as tar:
        assert tar.getnames() == ["p" * length]


def test_pax_records_are_in_the_order_of_their_keys() -> None:
    entry = Entry("p" * 101, EntryType.FILE, 0o644, 8**11, 8**11)
    blocks = b"".join(headers(entry, "root"))
    assert [
        line.split(b" ", 1)[1].partition(b"=")[0]
        for line in blocks[512:1024].rstrip(b"\0").splitlines()
    ] == [b"mtime", b"path", b"size"]


class Slow:
    """A sink that accepts at most three bytes per write."""

    def __init__(self) -> None:
        self.taken = b""
        self.calls = 0

    def write(self, data: bytes | memoryview, /) -> int | None:
        self.calls += 1
        self.taken += bytes(data[:3])
        return len(data[:3])


def test_every_byte_is_written_to_a_sink_that_takes_few_at_once() -> None:
    sink = Slow()
    write_all(sink, b"0123456789")
    assert (sink.taken, sink.calls) == (b"0123456789", 4)


def test_a_full_pipe_that_does_not_block_is_waited_for() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    data = os.urandom(1 << 20)
    read: list[bytes] = []
    with os.fdopen(writing, "wb", buffering=0) as sink, os.fdopen(reading, "rb") as source:
        reader = threading.Thread(target=lambda: read.append(source.read(len(data))))
        reader.start()
        write_all(sink, data)
        reader.join()
    assert read == [data]


def test_a_full_sink_without_a_descriptor_is_an_error() -> None:
    class Stuck:
        def write(self, _data: bytes | memoryview, /) -> int | None:
            return None

    with pytest.raises(Unavailable):
        write_all(Stuck(), b"data")


def test_a_file_made_for_the_archive_is_read_whole(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "made"
    path.write_bytes(b"made" * 1000)
    with store.reader() as reader:
        assert b"".join(pieces(path, reader)) == b"made" * 1000
