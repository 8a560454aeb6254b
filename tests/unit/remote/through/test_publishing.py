"""The publication of images whose blobs are here, without any registry."""

from __future__ import annotations

import asyncio
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from remote.errors import BlobNotFound
from remote.through.pending_rows import PendingRows
from remote.through.publishing import Publisher
from remote.through.shared_pending import SharedPending
from remote.through.tag_rows import TagRows
from store.blobs.downloads import Downloads
from store.catalog import repositories
from store.errors import StoreBusy
from store.formats.image.manifests import Document
from store.model.digests import Digest
from store.model.references import Reference, Repository
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    import pytest

    from store import Store

TEAM = Repository("docker.io", "team/app")
NOW = datetime(2026, 1, 2, tzinfo=UTC)


async def proven(_repository: Repository, _digest: Digest) -> None:
    """Say that the registry has every blob."""


def test_an_image_is_published_once_its_last_blob_is_here(store: Store) -> None:
    layout = Layout()
    target = layout.image(gzip(A), gzip(B))
    manifest = Document.parse(layout.blobs[target["digest"]])
    downloads, rows = Downloads(store.root), PendingRows(store, lambda: NOW)
    pending = SharedPending(rows, lambda: NOW)

    async def work() -> None:
        publisher = Publisher(
            store,
            downloads,
            pending,
            rows,
            TagRows(store),
            remote=lambda _: None,  # type: ignore[arg-type,return-value]
            prove=proven,
            now=lambda: NOW,
        )
        await pending.add(TEAM, manifest, "1", '"etag"')
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
    assert pending.memory.find(TEAM, manifest.digest) is None
    assert not rows.holds(TEAM, manifest.digest)
    assert list(store.fsck()) == []


def test_two_processes_publish_an_image_once(store: Store) -> None:
    layout = Layout()
    target = layout.image(gzip(A), gzip(B))
    manifest = Document.parse(layout.blobs[target["digest"]])
    downloads = Downloads(store.root)

    async def work() -> None:
        rows = [PendingRows(store, lambda: NOW) for _ in range(2)]
        pending = [SharedPending(one, lambda: NOW) for one in rows]
        publishers = [
            Publisher(
                store,
                downloads,
                known,
                row,
                TagRows(store),
                remote=lambda _: None,  # type: ignore[arg-type,return-value]
                prove=proven,
                now=lambda: NOW,
            )
            for row, known in zip(rows, pending, strict=True)
        ]
        await pending[0].add(TEAM, manifest, "1")
        for link in manifest.links:
            download = downloads.open(link.digest)
            assert download is not None
            download.file.write(layout.blobs[str(link.digest)])
            download.close()
        for publisher in publishers:
            publisher.settle(TEAM, manifest.links[0].digest)
        await asyncio.gather(*(one.finish() for one in publishers))
        for known in pending:
            assert known.memory.find(TEAM, manifest.digest) is None

    asyncio.run(work())
    assert [str(one) for one in store.names("", 9)] == ["docker.io/team/app:1"]
    # A second publication would have copied the files of the layers.
    layers = {link.digest for link in manifest.layers}
    assert not layers & {one.digest for one in downloads.interrupted()}


def test_a_tag_that_has_moved_on_does_not_move_back(store: Store) -> None:
    layout = Layout()
    old, new = (Document.parse(layout.blobs[layout.image(gzip(one))["digest"]]) for one in (A, B))
    downloads, rows = Downloads(store.root), PendingRows(store, lambda: NOW)

    async def work() -> None:
        pending = SharedPending(rows, lambda: NOW)
        publisher = Publisher(
            store,
            downloads,
            pending,
            rows,
            TagRows(store),
            remote=lambda _: None,  # type: ignore[arg-type,return-value]
            prove=proven,
            now=lambda: NOW,
        )
        await pending.add(TEAM, old, "1")
        # Another process has seen the new one.
        await SharedPending(rows, lambda: NOW).add(TEAM, new, "1")
        for link in old.links:
            download = downloads.open(link.digest)
            assert download is not None
            download.file.write(layout.blobs[str(link.digest)])
            download.close()
        publisher.settle(TEAM)
        await publisher.finish()

    asyncio.run(work())
    assert not store.names("", 9)
    assert not rows.holds(TEAM, old.digest)
    assert rows.holds(TEAM, new.digest)


def test_a_writer_that_works_for_long_stops_no_fetch(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise StoreBusy("busy")

    rows = PendingRows(store, lambda: NOW)

    async def work() -> bool:
        publisher = Publisher(
            store,
            Downloads(store.root),
            SharedPending(rows, lambda: NOW),
            rows,
            TagRows(store),
            remote=lambda _: None,  # type: ignore[arg-type,return-value]
            prove=proven,
            now=lambda: NOW,
        )
        return await publisher.has_published(Digest.of(b"absent"), (TEAM,))

    monkeypatch.setattr(type(store), "write", busy)
    assert not asyncio.run(work())


def test_a_manifest_gives_nothing_that_its_registry_does_not_have(store: Store) -> None:
    """Somebody lists the layers and the manifest of another repository's image."""
    layout = Layout()
    secret = layout.image(gzip(A), gzip(B))
    layout.root(secret, "docker.io/team/secret:1")
    store.import_archive(io.BytesIO(layout.tar()))
    listing = Document.parse(layout.blobs[secret["digest"]])
    public = layout.image(gzip(b"public"))
    index = layout.index(secret, public)
    image = Document.parse(layout.blobs[public["digest"]])
    asked: list[Digest] = []

    async def absent(_repository: Repository, digest: Digest) -> None:
        asked.append(digest)
        if digest not in {link.digest for link in image.links}:
            raise BlobNotFound("absent", registry="far", repository="evil")

    downloads, rows = Downloads(store.root), PendingRows(store, lambda: NOW)

    async def work() -> None:
        pending = SharedPending(rows, lambda: NOW)
        publisher = Publisher(
            store,
            downloads,
            pending,
            rows,
            TagRows(store),
            remote=lambda _: None,  # type: ignore[arg-type,return-value]
            prove=absent,
            now=lambda: NOW,
        )
        await pending.add(TEAM, listing, "copy")
        publisher.settle(TEAM)
        await publisher.finish()
        assert len(asked) == 1
        assert not rows.holds(TEAM, image.digest)
        await pending.add(TEAM, Document.parse(layout.blobs[index["digest"]]), "1")
        await pending.add(TEAM, image, None)
        for link in image.links:
            download = downloads.open(link.digest)
            assert download is not None
            download.file.write(layout.blobs[str(link.digest)])
            download.close()
        publisher.settle(TEAM, image.links[0].digest)
        await publisher.finish()

    asyncio.run(work())
    assert [str(one) for one in store.names("", 9)] == [
        "docker.io/team/app:1",
        "docker.io/team/secret:1",
    ]
    secrets = [listing.digest, *(link.digest for link in listing.links)]
    with store.read() as connection:
        assert not repositories.held(connection, TEAM, secrets)
        assert len(repositories.held(connection, TEAM, [link.digest for link in image.links])) == 2
