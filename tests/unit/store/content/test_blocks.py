"""Any part of a content, whatever form it lies in."""

from __future__ import annotations

import gzip
import io
import random
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from store import ImportOptions
from store.content.blocks import BLOCK_BYTES, open_blocks
from store.errors import ContentMissing, DamagedContent
from store.formats.compression.settings import Compression
from store.model.contents import ContentState
from store.model.digests import Digest
from tests.support import images

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store
    from store.model.contents import Sources

DATA = random.Random(5).randbytes(1 << 20) * 9 + b"end"
LAYER = images.layer("data", DATA)


def sources_of(store: Store, archive: bytes, layer: bytes, compression: str = "zstd") -> Sources:
    store.import_archive(
        io.BytesIO(archive), ImportOptions(compression=Compression.parse(compression))
    )
    digest = Digest.of(layer)
    return store.sources((digest,))[digest]


def whole(store: Store, sources: Sources, start: int = 0) -> bytes:
    buffer = bytearray(BLOCK_BYTES)
    found = b""
    with closing(open_blocks(store.blobs, sources)) as blocks:
        assert blocks.size_bytes == sources.size_bytes
        while start < blocks.size_bytes:
            view = blocks.read_into(start, buffer)
            assert len(view) > 0
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


def test_every_part(store: Store, sources: Sources) -> None:
    for start in (0, 1, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, len(LAYER) - 1):
        assert whole(store, sources, start) == LAYER[start:]


def test_back_and_forth(store: Store, sources: Sources) -> None:
    buffer = bytearray(BLOCK_BYTES)
    with closing(open_blocks(store.blobs, sources)) as blocks:
        for start in (5 << 20, 100, 8 << 20, 0, 0):
            view = blocks.read_into(start, buffer)
            assert view == LAYER[start : start + len(view)]


def test_a_small_buffer_is_no_obstacle(store: Store, sources: Sources) -> None:
    with closing(open_blocks(store.blobs, sources)) as blocks:
        view = blocks.read_into(10, bytearray(100))
        assert view == LAYER[10 : 10 + len(view)]


def _file(store: Store, sources: Sources) -> Path:
    stored = sources.digest if sources.in_file else sources.encodings[0].digest
    return store.blobs.path(stored)


def test_bytes_that_changed_are_not_handed_out(store: Store, sources: Sources) -> None:
    path = _file(store, sources)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    if sources.in_file:
        # Without checksums: who has all of it checks it.
        assert whole(store, sources) != LAYER
        return
    with pytest.raises(DamagedContent):
        whole(store, sources)


def test_a_file_that_ends_early(store: Store, sources: Sources) -> None:
    path = _file(store, sources)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(DamagedContent):
        whole(store, sources)


def test_what_is_not_here(store: Store, sources: Sources) -> None:
    from dataclasses import replace

    with pytest.raises(DamagedContent):
        open_blocks(store.blobs, replace(sources, state=ContentState.DAMAGED))
    with pytest.raises(ContentMissing):
        open_blocks(store.blobs, replace(sources, in_file=False, encodings=()))
    with closing(open_blocks(store.blobs, replace(sources, inline=b"inline"))) as blocks:
        assert bytes(blocks.read_into(2, bytearray(1))) == b"line"
