"""The endpoints for liveness, readiness and metrics, requested over a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mirror import readiness
from tests.support.damage import mark_damaged
from tests.support.images import A
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from store import Store
    from tests.support.mirror_in_process import InProcessMirror


@pytest.fixture(autouse=True)
def each_answer_is_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "INTERVAL_S", 0)


def test_damaged_content_is_named_by_readiness_and_metrics(
    ask: InProcessMirror, store: Store
) -> None:
    put_image(store, A, tags=("x:1",))
    assert ask("GET", "/readyz").body == b"ok\n"
    assert b"\nstorectl_damaged_contents 0\n" in ask("GET", "/metrics").body
    mark_damaged(store, store.images()[0].image_id.digest)
    answer = ask("GET", "/readyz")
    assert (answer.status, answer.body) == (
        200,
        b"ok\n1 content(s) are damaged and not served\n",
    )
    assert b"\nstorectl_damaged_contents 1\n" in ask("GET", "/metrics").body


def test_registry_is_not_ready_when_its_store_is_full_or_unreadable(
    ask: InProcessMirror, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "MIN_FREE_BYTES", 1 << 62)
    assert (ask("GET", "/readyz").status, ask("GET", "/readyz").body) == (
        503,
        b"the disk is full\n",
    )
    (store.root / "store.db").rename(store.root / "gone")
    store.close()
    assert ask("GET", "/readyz").status == 503
