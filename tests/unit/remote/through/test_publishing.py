"""The publication of images whose blobs are here, without any registry."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from remote.through.pending import Pending
from remote.through.publishing import Publisher
from remote.through.tag_rows import TagRows
from store.blobs.downloads import Downloads
from store.formats.image.manifests import Document
from store.model.digests import Digest
from store.model.references import Reference, Repository
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from store import Store

TEAM = Repository("docker.io", "team/app")
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_an_image_is_published_once_its_last_blob_is_here(store: Store) -> None:
    layout = Layout()
    target = layout.image(gzip(A), gzip(B))
    manifest = Document.parse(layout.blobs[target["digest"]])
    downloads, pending = Downloads(store.root), Pending()

    async def work() -> None:
        publisher = Publisher(
            store,
            downloads,
            pending,
            TagRows(store),
            remote=lambda _: None,  # type: ignore[arg-type,return-value]
            now=lambda: NOW,
        )
        pending.add(TEAM, manifest, "1")
        publisher.note_tag(Reference(TEAM, "1"), manifest.digest, '"etag"')
        for link in manifest.links:
            publisher.settle(TEAM, link.digest)
            await publisher.finish()
            assert not store.names("", 9)
            download = downloads.open(link.digest)
            assert download is not None
            download.file.write(layout.blobs[str(link.digest)])
            download.close()
        publisher.settle(TEAM, manifest.links[0].digest)
        await publisher.finish()
        other = Repository("docker.io", "team/other")
        for link in manifest.links:
            assert await publisher.has_published(link.digest, (TEAM,))
            assert not await publisher.has_published(link.digest, (TEAM, other))
            assert not await publisher.has_published(link.digest, ())
        assert not await publisher.has_published(Digest.of(b"absent"), (TEAM,))

    asyncio.run(work())
    assert [str(one) for one in store.names("", 9)] == ["docker.io/team/app:1"]
    seen = TagRows(store).get(Reference(TEAM, "1"))
    assert seen is not None
    assert (seen.digest, seen.etag, seen.checked_at) == (manifest.digest, '"etag"', NOW)
    assert pending.find(TEAM, Digest.parse(target["digest"])) is None
    assert list(store.fsck()) == []
