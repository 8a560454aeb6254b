"""A process knows the manifests that another process has served."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from remote.through.pending_rows import PendingRows
from remote.through.shared_pending import SharedPending
from store.errors import StoreBusy, Unavailable
from store.formats.image.manifests import Document
from store.model.digests import Digest
from store.model.references import Reference, Repository
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    import pytest

    from store import Store

NOW = datetime(2026, 1, 2, tzinfo=UTC)
TEAM = Repository("docker.io", "team/app")


def test_manifests_of_another_process_are_found(store: Store) -> None:
    layout = Layout()
    amd64, arm64 = layout.image(gzip(A)), layout.image(gzip(B), platform="linux/arm64")
    index, one, two = (
        Document.parse(layout.blobs[target["digest"]])
        for target in (layout.index(amd64, arm64), amd64, arm64)
    )

    async def work() -> None:
        ours, other = (
            SharedPending(PendingRows(store, lambda: NOW), lambda: NOW) for _ in range(2)
        )
        assert await ours.find(TEAM, index.digest) is None
        # Different processes serve the index and its manifests.
        await other.add(TEAM, index, "1")
        await ours.add(TEAM, one, None)
        await other.add(TEAM, two, None)
        assert await ours.find(TEAM, index.digest) == index
        layer = two.layers[0].target
        assert await ours.blob(TEAM, layer.digest) == layer
        assert await ours.blob(TEAM, Digest.of(b"?")) is None
        for process in (ours, other):
            found = await process.images(TEAM)
            assert {image.reference for image in found} == {Reference(TEAM, "1")}
            assert {next(iter(image.documents)) for image in found} == {one.digest, two.digest}

    asyncio.run(work())


def test_a_catalogue_that_cannot_be_used_stops_no_answer(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    layout = Layout()
    one = Document.parse(layout.blobs[layout.image(gzip(A))["digest"]])
    rows = PendingRows(store, lambda: NOW)

    def fail(*_: object) -> None:
        raise StoreBusy("busy")

    def gone(*_: object) -> None:
        raise Unavailable("gone")

    monkeypatch.setattr(rows, "add", fail)
    monkeypatch.setattr(rows, "since", gone)

    async def work() -> None:
        pending = SharedPending(rows, lambda: NOW)
        await pending.add(TEAM, one, "1")
        assert await pending.find(TEAM, one.digest) == one
        assert await pending.find(TEAM, Digest.of(b"?")) is None

    asyncio.run(work())
    assert "busy" in caplog.text
    assert "gone" in caplog.text


def test_a_manifest_is_known_before_it_is_written(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another writer works, the tag names the manifest that was noted last."""
    layout = Layout()
    one, two = (
        Document.parse(layout.blobs[layout.image(gzip(content))["digest"]]) for content in (A, B)
    )
    rows = PendingRows(store, lambda: NOW)
    is_free = threading.Event()
    add, written, ended = rows.add, list[Digest](), list[str]()

    def busy(repository: Repository, document: Document, tag: str | None, etag: str = "") -> None:
        assert is_free.wait(60)
        add(repository, document, tag, etag)
        written.append(document.digest)

    monkeypatch.setattr(rows, "add", busy)

    async def work() -> None:
        pending = SharedPending(rows, lambda: NOW)
        name = Reference(TEAM, "1")
        assert await pending.of_tag(name) is None
        await pending.note(TEAM, one, "1", on_end=lambda: ended.append("first"))
        assert await pending.of_tag(name) == (one, NOW)
        await pending.note(TEAM, two, "1", on_end=lambda: ended.append("second"))
        assert await pending.of_tag(name) == (two, NOW)
        assert await pending.find(TEAM, two.digest) == two
        assert rows.of_tag(name) is None
        assert not ended
        is_free.set()
        await pending.close()
        assert rows.of_tag(name) == await pending.of_tag(name) == (two, NOW)

    asyncio.run(work())
    assert written == [one.digest, two.digest]
    assert ended == ["first", "second"]
