"""Both sources of blobs keep the promises of the protocol."""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING

from remote.copying.fetched_image import fetch_image
from remote.pushing.choice import Choice
from remote.pushing.delivery import Delivery
from remote.pushing.report import NoListener
from remote.pushing.stored_image import open_stored
from remote.registry.values import Tag
from store.model.progress import Silent
from tests.support.images import A
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from remote.pushing.sources import BlobSource
    from store import Store
    from store.model.digests import Descriptor
    from tests.support.other_registry import OtherRegistry


async def _read(source: BlobSource, blob: Descriptor, offset: int) -> bytes:
    await source.require([blob])
    async with source.open(blob) as reader:
        whole = [chunk async for chunk in reader.chunks(0)]
        rest = [chunk async for chunk in reader.chunks(offset)]
        assert b"".join(whole)[offset:] == b"".join(rest)
        return b"".join(whole)


def test_the_bytes_are_the_same_from_the_store_and_from_a_registry(
    store: Store, registry: OtherRegistry
) -> None:
    layout = Layout()
    layout.root(layout.image(gzip(A)), "docker.io/team/app:1")
    store.import_archive(io.BytesIO(layout.tar()))
    repository = registry.repository("mine/app")
    delivery = Delivery(jobs=1, progress=Silent(), listener=NoListener())

    with open_stored(store, "team/app:1", Choice(), jobs=1) as stored:
        planned = stored.shipment(tag="1")
        registry.run(lambda: delivery.deliver(planned, stored.source, repository))
        fetched = registry.run(lambda: fetch_image(repository, Tag("1"), Choice()))
        for blob in planned.blobs.values():
            expected = layout.blobs[str(blob.digest)]
            for source in (stored.source, fetched.source):
                found = registry.run(partial(_read, source, blob, 7))
                assert found == expected
