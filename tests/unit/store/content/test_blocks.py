from __future__ import annotations

import errno
import gzip
import io
import os
import random
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import pytest

from store import ImportOptions
from store.blobs.memory import MemoryBlobs
from store.content.blocks import BLOCK_BYTES, SKIP_BYTES, Blocks, open_blocks
from store.errors import ContentMissing, DamagedContent, Unavailable
from store.formats.compression.memory import DecodersBusy, MemoryBudget
from store.formats.compression.seekable_zstd import TABLE_MEMORY_BYTES
from store.formats.compression.settings import Compression
from store.model.contents import ContentState
from store.model.digests import Digest
from tests.support import images

if TYPE_CHECKING:
    from store import Store
    from store.blobs.protocol import BlobStore
    from store.model.contents import Sources

DATA = random.Random(5).randbytes(1 << 20) * 9 + b"end"
LAYER = images.layer("data", DATA)


def sources_of(store: Store, archive: bytes, layer: bytes, compression: str = "zstd") -> Sources:
    store.import_archive(
        io.BytesIO(archive), ImportOptions(compression=Compression.parse(compression))
    )
    digest = Digest.of(layer)
    return store.sources((digest,))[digest]


def arrive(blocks: Blocks, position: int, buffer: bytearray) -> memoryview:
    """Read at a position, with as many calls as the bytes before it need."""
    while not (view := blocks.read_into(position, buffer)):
        pass
    return view


def whole(blobs: BlobStore, sources: Sources, start: int = 0) -> bytes:
    buffer = bytearray(BLOCK_BYTES)
    found = b""
    with closing(open_blocks(blobs, sources)) as blocks:
        assert blocks.size_bytes == sources.size_bytes
        while start < blocks.size_bytes:
            view = arrive(blocks, start, buffer)
            found += view
            start += len(view)
    return found


@pytest.fixture(params=["frames", "plain", "gzip"])
def sources(request: pytest.FixtureRequest, store: Store) -> Sources:
    if request.param == "gzip":
        archive = (
            images.Archive()
            .file("0/layer.tar", gzip.compress(LAYER, 1))
            .file("config.json", images.config(LAYER))
        )
        return sources_of(
            store,
            archive.manifest(
                {"Config": "config.json", "RepoTags": ["a:1"], "Layers": ["0/layer.tar"]}
            ).bytes(),
            LAYER,
        )
    return sources_of(
        store,
        images.image(LAYER, tags=("a:1",)).bytes(),
        LAYER,
        "zstd" if request.param == "frames" else "none",
    )


@pytest.fixture(params=["directory", "memory"])
def blobs(request: pytest.FixtureRequest, store: Store, sources: Sources) -> BlobStore:
    """Return the store of the blobs in ``sources``: a folder, or a copy in memory."""
    return copied(store, sources) if request.param == "memory" else store.blobs


def stored_digest(sources: Sources) -> Digest:
    return sources.digest if sources.in_file else sources.encodings[0].digest


def copied(store: Store, sources: Sources, data: bytes | None = None) -> MemoryBlobs:
    digest = stored_digest(sources)
    return MemoryBlobs({digest: store.blobs.path(digest).read_bytes() if data is None else data})


def test_the_end_can_be_read_from_any_position(blobs: BlobStore, sources: Sources) -> None:
    for start in (0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, len(LAYER) - 1):
        assert whole(blobs, sources, start) == LAYER[start:]


def test_positions_may_go_back_and_forth(blobs: BlobStore, sources: Sources) -> None:
    buffer = bytearray(BLOCK_BYTES)
    with closing(open_blocks(blobs, sources)) as blocks:
        for start in (5 << 20, 100, 8 << 20, 0, 0):
            view = arrive(blocks, start, buffer)
            assert view == LAYER[start : start + len(view)]


def test_a_small_buffer_is_enough(blobs: BlobStore, sources: Sources) -> None:
    with closing(open_blocks(blobs, sources)) as blocks:
        view = blocks.read_into(10, bytearray(100))
        assert view == LAYER[10 : 10 + len(view)]


def test_changed_bytes_are_noticed_where_frames_or_streams_have_checksums(
    store: Store, sources: Sources
) -> None:
    data = bytearray(store.blobs.path(stored_digest(sources)).read_bytes())
    data[len(data) // 2] ^= 1
    blobs = copied(store, sources, bytes(data))
    if sources.in_file:
        # A plain blob has no checksums: the caller that receives all bytes checks their digest.
        assert whole(blobs, sources) != LAYER
        return
    with pytest.raises(DamagedContent) as caught:
        whole(blobs, sources)
    assert caught.value.digest == stored_digest(sources)


def test_a_blob_that_ends_early_is_damaged(store: Store, sources: Sources) -> None:
    data = store.blobs.path(stored_digest(sources)).read_bytes()[:100_000]
    with pytest.raises(DamagedContent):
        whole(copied(store, sources, data), sources)


def test_a_failing_disk_is_not_taken_for_damage(
    store: Store, sources: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk error must not mark content as damaged, because the disk may recover."""

    def fail(*_arguments: object) -> NoReturn:
        raise OSError(errno.EIO, "Input/output error")

    with closing(open_blocks(store.blobs, sources)) as blocks:
        monkeypatch.setattr(os, "pread", fail)
        monkeypatch.setattr(os, "preadv", fail)
        with pytest.raises(Unavailable):
            blocks.read_into(0, bytearray(BLOCK_BYTES))


def test_damaged_and_missing_content_is_refused(blobs: BlobStore, sources: Sources) -> None:
    with pytest.raises(DamagedContent):
        open_blocks(blobs, replace(sources, state=ContentState.DAMAGED))
    with pytest.raises(DamagedContent):
        open_blocks(blobs, replace(sources, state=ContentState.DAMAGED, inline=b"inline"))
    with pytest.raises(ContentMissing):
        open_blocks(blobs, replace(sources, in_file=False, encodings=()))
    with pytest.raises(ContentMissing):
        open_blocks(MemoryBlobs(), sources)


def test_inline_bytes_need_no_blob(sources: Sources) -> None:
    with closing(open_blocks(MemoryBlobs(), replace(sources, inline=b"inline"))) as blocks:
        assert bytes(blocks.read_into(2, bytearray(1))) == b"line"


@pytest.fixture
def gzipped(store: Store) -> Sources:
    archive = images.Archive().file("0/layer.tar", gzip.compress(LAYER, 1))
    archive.file("config.json", images.config(LAYER))
    archive.manifest({"Config": "config.json", "RepoTags": ["a:1"], "Layers": ["0/layer.tar"]})
    return sources_of(store, archive.bytes(), LAYER)


def test_one_read_skips_a_bounded_number_of_bytes(store: Store, gzipped: Sources) -> None:
    buffer = bytearray(BLOCK_BYTES)
    with closing(open_blocks(store.blobs, gzipped)) as blocks:
        reads = 0
        while not blocks.read_into(len(LAYER) - 1, buffer):
            reads += 1
        assert reads == len(LAYER) // SKIP_BYTES


@pytest.mark.parametrize("pause", ["IDLE_S", "TURN_S"])
def test_a_reader_gives_its_decoder_back_after_a_pause_or_its_turn(
    pause: str, store: Store, gzipped: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One decoder fits into the memory, so each read takes the memory of the other decoder."""
    monkeypatch.setattr(f"store.content.blocks.{pause}", 0)
    monkeypatch.setattr("store.content.blocks.TURN_FACTOR", 0)
    memory = MemoryBudget(2 << 20, wait_s=0)
    buffer = bytearray(BLOCK_BYTES)
    with (
        closing(open_blocks(store.blobs, gzipped, memory, "a")) as first,
        closing(open_blocks(store.blobs, gzipped, memory, "b")) as second,
    ):
        for start in (0, 2 << 20, 6 << 20):
            for blocks in (first, second):
                view = arrive(blocks, start, buffer)
                assert view == LAYER[start : start + len(view)]
                assert memory.used_bytes < 2 << 20
    assert memory.used_bytes == 0


def test_a_decoder_at_work_keeps_its_memory(
    store: Store, gzipped: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = MemoryBudget(2 << 20, wait_s=0)
    with closing(open_blocks(store.blobs, gzipped, memory)) as blocks, memory.lease() as other:
        blocks.read_into(0, bytearray(1))
        with pytest.raises(DecodersBusy):
            other.require(1 << 20)
        monkeypatch.setattr("store.content.blocks.IDLE_S", 0)
        busy = blocks._busy  # type: ignore[attr-defined]
        with busy, pytest.raises(DecodersBusy):
            other.require(1 << 20)
        other.require(1 << 20)
        with pytest.raises(DecodersBusy):
            blocks.read_into(0, bytearray(1))
        other.release()
        assert blocks.read_into(0, bytearray(1))[:9] == LAYER[:9]


def test_a_seek_table_counts_against_the_memory(store: Store) -> None:
    sources = sources_of(store, images.image(LAYER, tags=("a:1",)).bytes(), LAYER)
    memory = MemoryBudget(1 << 20)
    with closing(open_blocks(store.blobs, sources, memory)) as blocks:
        blocks.read_into(0, bytearray(1))
        assert memory.used_bytes == TABLE_MEMORY_BYTES * 3
        with memory.lease() as other:
            other.require(1 << 20)
        assert memory.used_bytes == 0
        assert blocks.read_into(5, bytearray(BLOCK_BYTES))[:9] == LAYER[5:14]
        assert memory.used_bytes == TABLE_MEMORY_BYTES * 3
