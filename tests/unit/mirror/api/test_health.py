"""The endpoints for liveness, readiness and metrics, requested over a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from store import Store
    from tests.support.mirror_in_process import InProcessMirror


def test_registry_is_not_ready_when_its_store_is_full_or_unreadable(
    ask: InProcessMirror, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mirror.api import health

    monkeypatch.setattr(health, "MIN_FREE_BYTES", 1 << 62)
    assert (ask("GET", "/readyz").status, ask("GET", "/readyz").body) == (
        503,
        b"the disk is full\n",
    )
    (store.root / "store.db").rename(store.root / "gone")
    store.close()
    assert ask("GET", "/readyz").status == 503
