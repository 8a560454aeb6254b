"""Blobs of the store are read from any offset, and their last bytes only if all are right."""

from __future__ import annotations

import asyncio
import io
import random
from typing import TYPE_CHECKING

import pytest

from exporter.options import Layers
from remote.pushing.choice import Choice
from remote.pushing.stored_image import open_stored
from remote.pushing.stored_source import CHUNK_BYTES
from store.errors import DamagedContent
from store.formats.image.media_types import OCI_LAYER, OCI_LAYER_GZIP
from store.model.digests import Descriptor, Digest
from tests.support.images import A, layer
from tests.support.layouts import Layout, gzip, plain

if TYPE_CHECKING:
    from pathlib import Path

    from remote.pushing.sources import BlobSource
    from store import Store

LAYER = gzip(layer("random", random.Random(1).randbytes(2 * CHUNK_BYTES + 17)))
DATA = LAYER.data
BLOB = Descriptor(OCI_LAYER_GZIP, Digest.of(DATA), len(DATA))


@pytest.fixture
def stored(store: Store) -> Store:
    layout = Layout()
    layout.root(layout.image(LAYER), "docker.io/team/thing:1")
    store.import_archive(io.BytesIO(layout.tar()))
    return store


async def read(source: BlobSource, *offsets: int, stop_after: int | None = None) -> list[bytes]:
    async with source.open(BLOB) as reader:
        found = []
        for offset in offsets:
            data = b""
            async for chunk in reader.chunks(offset):
                data += chunk
                if stop_after is not None and len(data) >= stop_after and offset == offsets[0]:
                    break
            found.append(data)
        return found


def test_a_blob_is_read_in_chunks(stored: Store) -> None:
    with open_stored(stored, "team/thing:1", Choice(), jobs=1) as image:
        assert asyncio.run(read(image.source, 0)) == [DATA]


def test_reading_resumes_at_an_earlier_offset(stored: Store) -> None:
    with open_stored(stored, "team/thing:1", Choice(), jobs=1) as image:
        first, second = asyncio.run(read(image.source, 0, 1000, stop_after=CHUNK_BYTES))

    assert DATA.startswith(first)
    assert len(first) < len(DATA)
    assert second == DATA[1000:]


def test_the_last_bytes_of_a_damaged_blob_are_never_given(stored: Store, root: Path) -> None:
    (file,) = (one for one in root.rglob(f"*{BLOB.digest.hex}*") if one.is_file())
    file.chmod(0o600)
    with file.open("r+b") as opened:
        opened.seek(5)
        opened.write(b"\0" if DATA[5] else b"\1")
    seen = 0

    async def count(source: BlobSource) -> None:
        nonlocal seen
        async with source.open(BLOB) as reader:
            async for chunk in reader.chunks(0):
                seen += len(chunk)

    with (
        open_stored(stored, "team/thing:1", Choice(), jobs=1) as image,
        pytest.raises(DamagedContent),
    ):
        asyncio.run(count(image.source))

    assert seen < len(DATA)


def test_reencoded_layers_are_read_from_their_temporary_files(store: Store) -> None:
    layout = Layout()
    layout.root(layout.image(plain(A)), "docker.io/team/app:1")
    store.import_archive(io.BytesIO(layout.tar()))

    with open_stored(store, "team/app:1", Choice(layers=Layers.GZIP), jobs=1) as image:
        planned = image.shipment(tag="1")
        (sent,) = (blob for blob in planned.blobs.values() if "layer" in blob.media_type)

        async def whole() -> bytes:
            await image.source.require([sent])
            async with image.source.open(sent) as reader:
                return b"".join([chunk async for chunk in reader.chunks(0)])

        data = asyncio.run(whole())

    assert sent.media_type.endswith("+gzip")
    assert Digest.of(data) == sent.digest


def test_an_empty_blob_has_no_chunks(store: Store) -> None:
    layout = Layout()
    layout.root(layout.artifact(b""), "docker.io/team/thing:1")
    store.import_archive(io.BytesIO(layout.tar()))

    async def whole(source: BlobSource) -> list[bytes]:
        async with source.open(Descriptor(OCI_LAYER, Digest.of(b""), 0)) as reader:
            return [chunk async for chunk in reader.chunks(0)]

    with open_stored(store, "team/thing:1", Choice(), jobs=1) as image:
        assert asyncio.run(whole(image.source)) == []
