"""Blobs over a socket: whole, in ranges, decoded, damaged."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest

from store.blobs.memory import MemoryBlobs
from store.model.contents import ContentState
from store.model.digests import Digest
from tests.support import images
from tests.support.pushes import import_archive, push
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from store import Store
    from tests.support.mirror_in_process import Served

LARGE = random.Random(12).randbytes(1 << 20) * 6


def test_blob_is_served_whole_in_ranges_and_conditionally(
    serve: Callable[..., Served], loop_factory: Callable[[], asyncio.AbstractEventLoop]
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


def test_answers_on_one_connection_keep_their_order(ask: Served) -> None:
    """A blob bypasses the transport, but must not overtake its own head or the next one."""
    import http.client

    digest = push(ask, LARGE)
    connection = http.client.HTTPConnection("127.0.0.1", ask.port, timeout=PATIENCE_S)
    for _ in range(3):
        for path, body in ((f"/v2/app/blobs/{digest}", LARGE), ("/v2/", b"{}\n")):
            connection.request("GET", path)
            with connection.getresponse() as response:
                assert response.read() == body
    connection.close()


def test_stored_layer_is_decoded_while_it_is_served(ask: Served, store: Store) -> None:
    layer = images.layer("big", LARGE)
    import_archive(store, images.image(layer, tags=("big:1",)).bytes())
    manifest = ask("GET", "/v2/big/manifests/1").json
    digest = manifest["layers"][0]["digest"]
    assert digest == str(Digest.of(layer))
    path = f"/v2/library/big/blobs/{digest}"
    assert ask("GET", path).body == layer
    assert ask("GET", path, Range="bytes=4194300-4194310").body == layer[4194300:4194311]
    assert ask("HEAD", path).headers["Content-Length"] == str(len(layer))


def test_damaged_layer_is_cut_off_and_not_served_again(ask: Served, store: Store) -> None:
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
    # The transfer is cut off first; then the damage is recorded.
    until(
        lambda: (
            store.sources((Digest.of(layer),))[Digest.of(layer)].state is not ContentState.PRESENT
        )
    )
    answer = ask("GET", path)
    assert (answer.status, answer.code) == (404, "BLOB_UNKNOWN")


def test_deleted_blob_is_gone(ask: Served) -> None:
    digest = push(ask, b"data")
    assert ask("DELETE", f"/v2/app/blobs/{digest}").status == 202
    for method in ("GET", "HEAD", "DELETE"):
        assert ask(method, f"/v2/app/blobs/{digest}").status == 404
    assert ask("GET", "/v2/app/blobs/sha256:bad").code == "DIGEST_INVALID"


def test_a_store_without_files_is_served_in_blocks(ask: Served, store: Store) -> None:
    """Sending by ``sendfile`` is a capability of the folder alone."""
    digest = Digest.parse(push(ask, LARGE))
    store.blobs = MemoryBlobs({digest: LARGE})  # type: ignore[assignment]  # any engine will do
    path = f"/v2/app/blobs/{digest}"
    assert ask("GET", path).body == LARGE
    assert ask("GET", path, Range="bytes=4194300-4194310").body == LARGE[4194300:4194311]
    assert ask("HEAD", path).headers["Content-Length"] == str(len(LARGE))
