"""Blobs sent over a socket: whole blobs, byte ranges, decoded blobs and damaged blobs."""

from __future__ import annotations

import gzip
import io
import os
import random
from typing import TYPE_CHECKING, NoReturn

import pytest
from sqlalchemy import update

from store.blobs.memory import MemoryBlobs
from store.db.schema import document, repository_content
from store.errors import StorageFull
from store.maintenance.reports import Severity
from store.model.contents import ContentState
from store.model.digests import DiffID, Digest
from store.registry.registry import Registry
from tests.support import images
from tests.support.damage import (
    CONFIG_DATA,
    DATA,
    DIGEST,
    HARM,
    IMAGE,
    mark_damaged,
    push_status,
    record_damage,
    remove_file,
)
from tests.support.layouts import MANIFEST
from tests.support.pushes import import_archive, push
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from store import Store
    from tests.support.mirror_in_process import InProcessMirror

LARGE = random.Random(12).randbytes(1 << 20) * 6


def test_blob_is_served_whole_in_ranges_and_conditionally(
    serve: Callable[..., InProcessMirror], loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    ask = serve(None, loop_factory)
    digest = push(ask, LARGE)
    path = f"/v2/app/blobs/{digest}"
    head = ask("HEAD", path)
    assert (head.status, head.headers["Content-Length"], head.body) == (200, str(len(LARGE)), b"")
    assert head.headers["Docker-Content-Digest"] == digest
    assert head.headers["Accept-Ranges"] == "bytes"
    part = ask("GET", path, Range="bytes=1000-3000000")
    assert (part.status, part.body) == (206, LARGE[1000:3000001])
    assert part.headers["Content-Range"] == f"bytes 1000-3000000/{len(LARGE)}"
    tag = head.headers["ETag"]
    assert ask("GET", path, If_None_Match=tag).status == 304
    assert ask("GET", path, Range="bytes=-5", If_Range=tag).body == LARGE[-5:]
    assert ask("GET", path, Range="bytes=-5", If_Range='"other"').body == LARGE
    refused = ask("GET", path, Range=f"bytes={len(LARGE)}-")
    assert (refused.status, refused.headers["Content-Range"]) == (416, f"bytes */{len(LARGE)}")


def test_answers_on_one_connection_keep_their_order(ask: InProcessMirror) -> None:
    """Blobs are not sent through the transport, but must still follow the head of their answer."""
    import http.client

    digest = push(ask, LARGE)
    connection = http.client.HTTPConnection("127.0.0.1", ask.port, timeout=PATIENCE_S)
    for _ in range(3):
        for path, body in ((f"/v2/app/blobs/{digest}", LARGE), ("/v2/", b"{}\n")):
            connection.request("GET", path)
            with connection.getresponse() as response:
                assert response.read() == body
    connection.close()


def test_stored_layer_is_decoded_while_it_is_served(ask: InProcessMirror, store: Store) -> None:
    layer = images.layer("big", LARGE)
    import_archive(store, images.image(layer, tags=("big:1",)).bytes())
    manifest = ask("GET", "/v2/big/manifests/1").json
    digest = manifest["layers"][0]["digest"]
    assert digest == str(Digest.of(layer))
    path = f"/v2/library/big/blobs/{digest}"
    assert ask("GET", path).body == layer
    assert ask("GET", path, Range="bytes=4194300-4194310").body == layer[4194300:4194311]
    assert ask("HEAD", path).headers["Content-Length"] == str(len(layer))


def test_damaged_layer_is_cut_off_and_not_served_again(ask: InProcessMirror, store: Store) -> None:
    import http.client

    layer = images.layer("big", random.Random(13).randbytes(9 << 20))
    import_archive(store, images.image(layer, tags=("big:1",)).bytes())
    (stored,) = [
        one for one in store.blobs.digests() if store.blobs.path(one).stat().st_size > 1000
    ]
    with store.blobs.path(stored).open("r+b") as file:
        file.seek(-3_000, os.SEEK_END)
        file.write(b"damage")
    path = f"/v2/big/blobs/{Digest.of(layer)}"
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        ask("GET", path)
    # The server cuts off the transfer before it records the damage.
    until(
        lambda: (
            store.sources((Digest.of(layer),))[Digest.of(layer)].state is not ContentState.PRESENT
        )
    )
    answer = ask("GET", path)
    assert (answer.status, answer.code) == (404, "BLOB_UNKNOWN")


def test_deleted_blob_is_gone(ask: InProcessMirror) -> None:
    digest = push(ask, b"data")
    assert ask("DELETE", f"/v2/app/blobs/{digest}").status == 202
    for method in ("GET", "HEAD", "DELETE"):
        assert ask(method, f"/v2/app/blobs/{digest}").status == 404
    assert ask("GET", "/v2/app/blobs/sha256:bad").code == "DIGEST_INVALID"


def test_store_without_files_is_served_in_blocks(ask: InProcessMirror, store: Store) -> None:
    """A blob in memory has no file for ``sendfile``, so the mirror sends the blob in blocks."""
    digest = Digest.parse(push(ask, LARGE))
    store.blobs = MemoryBlobs({digest: LARGE})  # type: ignore[assignment]  # any engine will do
    path = f"/v2/app/blobs/{digest}"
    assert ask("GET", path).body == LARGE
    assert ask("GET", path, Range="bytes=4194300-4194310").body == LARGE[4194300:4194311]
    assert ask("HEAD", path).headers["Content-Length"] == str(len(LARGE))


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize("harm", HARM)
def test_damaged_blob_is_unknown_until_it_is_pushed_again(
    harm: Callable[[Store], None], method: str, ask: InProcessMirror, store: Store
) -> None:
    assert push_status(ask, DATA) == 201
    harm(store)
    for _ in range(2):
        assert ask(method, f"/v2/one/blobs/{DIGEST}").status == 404
    # Nothing is recorded about a missing file, because it may come back.
    state = ContentState.DAMAGED if harm is record_damage else ContentState.PRESENT
    assert store.sources((DIGEST,))[DIGEST].state is state
    counted = ask("GET", "/metrics").body.decode()
    # A missing file is counted once in each process.
    assert ('storectl_events_total{event="damaged_contents"} 1\n' in counted) is (
        harm is not record_damage
    )
    assert push_status(ask, DATA) == 201
    assert ask("GET", f"/v2/one/blobs/{DIGEST}").body == DATA
    assert list(store.fsck()) == []


def test_layer_is_lost_with_its_only_encoding(ask: InProcessMirror, store: Store) -> None:
    layer = images.layer("big", DATA * 20)
    store.import_archive(io.BytesIO(images.image(layer, tags=("app:1",)).bytes()))
    diff = Digest.of(layer)
    (encoded,) = store.sources((diff,))[diff].encodings
    store.blobs.path(encoded.digest).unlink()
    assert ask("POST", f"/v2/other/blobs/uploads/?mount={diff}").status == 202
    assert ask("HEAD", f"/v2/app/blobs/{diff}").status == 404
    assert push_status(ask, layer, "app") == 201
    assert ask("GET", f"/v2/app/blobs/{diff}").body == layer
    assert ask("POST", f"/v2/other/blobs/uploads/?mount={diff}").status == 201


def test_blob_is_served_from_another_encoding_when_its_file_is_lost(
    ask: InProcessMirror, store: Store
) -> None:
    encoded = gzip.compress(DATA, mtime=0)
    assert (push_status(ask, DATA), push_status(ask, encoded)) == (201, 201)
    Registry(store).note_encodings({Digest.of(encoded): DiffID(DIGEST)}, "gzip")
    remove_file(store)
    for _ in range(2):
        assert ask("GET", f"/v2/one/blobs/{DIGEST}").body == DATA
    assert ask("POST", f"/v2/two/blobs/uploads/?mount={DIGEST}").status == 201
    (finding,) = store.fsck()
    assert (finding.kind, finding.severity) == ("missing", Severity.WARNING)


def test_a_blob_is_served_again_when_its_file_is_back(ask: InProcessMirror, store: Store) -> None:
    assert push_status(ask, DATA) == 201
    path = store.blobs.path(DIGEST)
    path.rename(path.with_name("away"))
    assert ask("GET", f"/v2/one/blobs/{DIGEST}").status == 404
    path.with_name("away").rename(path)
    assert ask("GET", f"/v2/one/blobs/{DIGEST}").body == DATA


def test_without_the_folder_of_blobs_nothing_is_known_about_a_blob(
    ask: InProcessMirror, store: Store
) -> None:
    assert push_status(ask, DATA) == 201
    folder = store.root / "blobs"
    folder.rename(store.root / "away")
    for method in ("HEAD", "GET"):
        assert ask(method, f"/v2/one/blobs/{DIGEST}").status == 503
    assert push_status(ask, DATA) == 503
    assert not folder.exists()
    (store.root / "away").rename(folder)
    assert ask("GET", f"/v2/one/blobs/{DIGEST}").body == DATA
    assert list(store.fsck()) == []


def test_config_with_damaged_inline_bytes_is_served_from_its_new_push(
    ask: InProcessMirror, store: Store
) -> None:
    assert (push_status(ask, DATA), push_status(ask, CONFIG_DATA)) == (201, 201)
    assert ask("PUT", "/v2/one/manifests/1", IMAGE, Content_Type=MANIFEST).status == 201
    config = Digest.of(CONFIG_DATA)
    with store.write("test") as connection:
        connection.execute(
            document.update().where(document.c.bytes == CONFIG_DATA).values(bytes=b"flipped")
        )
    mark_damaged(store, config)
    assert ask("HEAD", f"/v2/one/blobs/{config}").status == 404
    assert push_status(ask, CONFIG_DATA) == 201
    assert ask("GET", f"/v2/one/blobs/{config}").body == CONFIG_DATA
    assert ask("PUT", "/v2/one/manifests/1", IMAGE, Content_Type=MANIFEST).status == 201
    # The layer of the image is not a tar.
    assert [finding.kind for finding in store.fsck()] == ["contradiction"]


def test_read_only_store_reports_a_missing_blob_too(
    ask: InProcessMirror, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert push_status(ask, DATA) == 201
    remove_file(store)
    monkeypatch.setattr(type(store), "read_only", property(lambda _: True))
    for method in ("HEAD", "GET"):
        assert ask(method, f"/v2/one/blobs/{DIGEST}").status == 404
    assert store.sources((DIGEST,))[DIGEST].state is ContentState.PRESENT


def test_full_store_can_be_read(
    ask: InProcessMirror, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = os.urandom(100)
    assert push_status(ask, DATA) == push_status(ask, other) == push_status(ask, CONFIG_DATA) == 201
    assert ask("PUT", "/v2/one/manifests/latest", IMAGE, Content_Type=MANIFEST).status == 201
    with store.write("test") as connection:
        # Make the blobs like imported ones, whose grace period starts with the first request.
        connection.execute(update(repository_content).values(fresh_at=None))
    remove_file(store)
    monkeypatch.setattr(store, "write", full)
    assert ask("HEAD", f"/v2/one/blobs/{Digest.of(other)}").status == 200
    assert ask("GET", f"/v2/one/blobs/{DIGEST}").status == 404
    assert ask("HEAD", f"/v2/one/blobs/{DIGEST}").status == 404
    assert ask("POST", "/v2/one/blobs/uploads/").status == 507


def full(*_arguments: object) -> NoReturn:
    raise StorageFull("store.db: No space left on device")
