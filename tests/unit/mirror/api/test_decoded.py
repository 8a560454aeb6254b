"""Answers whose body is decoded while it is sent."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from mirror.transfer import decoding_account, send_blocks
from store.content.decoding import Decoding
from store.formats.compression.memory import MemoryBudget
from store.model.digests import Digest
from store.registry.registry import Registry
from tests.support import images
from tests.support.registry_pushes import push_image, squeezed
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from store import Store
    from tests.support.mirror_in_process import InProcessMirror

LAYER = images.layer("noise", random.Random(2).randbytes(1 << 20) * 10)
END = f"bytes={len(LAYER) - 5}-{len(LAYER) - 1}"


@pytest.fixture
def path(store: Store) -> str:
    image_id, _ = push_image(Registry(store), (LAYER, squeezed(LAYER)), tags=("1",))
    store.verify_image(image_id)
    return "/archives/legacy/team/app:1"


def test_ranges_near_the_end_of_gzip_are_limited_for_each_client(
    path: str, serve: Callable[..., InProcessMirror], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = serve()
    assert ask("GET", path, Range=END).status == 206
    monkeypatch.setattr(decoding_account, "BURST_S", 0.0)
    refused = ask("GET", path, Range=END)
    assert (refused.status, refused.code) == (429, "TOOMANYREQUESTS")
    assert int(refused.headers["Retry-After"]) >= 1
    # A download from the beginning skips nothing.
    whole = ask("GET", path)
    assert whole.status == 200
    assert LAYER in whole.body


def test_the_memory_of_decoders_is_limited(
    path: str,
    store: Store,
    serve: Callable[..., InProcessMirror],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory = MemoryBudget(1 << 20, wait_s=0)
    monkeypatch.setattr(store, "_decoding", Decoding(transfers=memory))
    monkeypatch.setattr(send_blocks, "BUSY_S", 0.0)
    ask = serve()
    with memory.lease() as lease:
        lease.require(1 << 20)
        busy = ask("GET", path, Range=END)
        assert (busy.status, busy.code) == (503, "UNAVAILABLE")
        assert busy.headers["Retry-After"] == "5"
    assert len(ask("GET", path, Range=END).body) == 5
    until(lambda: memory.used_bytes == 0)


def test_a_layer_that_was_pushed_in_gzip_is_sent_decoded(path: str, store: Store) -> None:
    assert path
    diff = Digest.of(LAYER)
    assert store.sources((diff,))[diff].is_foreign
