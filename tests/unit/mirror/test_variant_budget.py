"""The budgets of variants that are made for clients that may only read."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from mirror import variant_budget
from mirror.access import Access
from mirror.service import MirrorSettings, VariantEncoding
from mirror.shared_times import SharedTimes
from mirror.variant_budget import (
    FILL_S,
    NETWORK_BYTES,
    TOTAL_BYTES,
    Allowance,
    BudgetSpent,
)
from tests.support import images
from tests.support.logins import USERS, basic

if TYPE_CHECKING:
    from collections.abc import Callable

    from store import Store
    from tests.support.mirror_in_process import InProcessMirror


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def times() -> SharedTimes:
    return SharedTimes()


def wait_s(allowance: Allowance, size_bytes: int) -> float:
    with pytest.raises(BudgetSpent) as spent:
        allowance.require(size_bytes)
    return spent.value.wait_s


def test_budget_of_a_network_is_spent_and_fills_again(times: SharedTimes, clock: Clock) -> None:
    one = Allowance(times, clock, "192.0.2.1")
    one.require()
    for _ in range(4):
        one.spend(NETWORK_BYTES // 4)
    assert 0 < wait_s(one, 1) < 1
    assert wait_s(one, NETWORK_BYTES // 4) == pytest.approx(FILL_S / 4)
    with pytest.raises(BudgetSpent):
        one.spend(NETWORK_BYTES // 4)
    # A refused variant costs nothing.
    clock.now += FILL_S / 4 + 1
    one.spend(NETWORK_BYTES // 4)
    assert wait_s(one, NETWORK_BYTES) == pytest.approx(FILL_S - 1, abs=1)
    # Layers that need no compression are not limited.
    one.spend(0)
    # The processes share the table.
    assert wait_s(Allowance(times, clock, "192.0.2.1"), NETWORK_BYTES) > 0


def test_networks_share_one_budget_and_have_one_each(times: SharedTimes, clock: Clock) -> None:
    for number in range(TOTAL_BYTES // NETWORK_BYTES):
        network = Allowance(times, clock, f"192.0.2.{number}")
        network.spend(NETWORK_BYTES)
        assert wait_s(network, 1) > 0
    assert wait_s(Allowance(times, clock, "198.51.100.7"), NETWORK_BYTES) == pytest.approx(
        FILL_S * NETWORK_BYTES / TOTAL_BYTES
    )


def test_layers_larger_than_the_budget_wait_for_a_full_budget(
    times: SharedTimes, clock: Clock
) -> None:
    one = Allowance(times, clock, "")
    one.spend(1)
    assert wait_s(one, 3 * TOTAL_BYTES) == pytest.approx(FILL_S / NETWORK_BYTES)
    clock.now += 1
    one.spend(3 * TOTAL_BYTES)
    assert wait_s(one, 1) == pytest.approx(FILL_S * (3 * TOTAL_BYTES / NETWORK_BYTES - 1), abs=1)


# --- requests -----------------------------------------------------------------------------------


@pytest.fixture
def limited(
    store: Store, serve: Callable[..., InProcessMirror], monkeypatch: pytest.MonkeyPatch
) -> InProcessMirror:
    """Serve three images of one layer each, with users and a budget for one layer."""
    for number in range(3):
        archive = images.image(images.layer("file", b"%d" % number), tags=(f"demo:{number}",))
        store.import_archive(io.BytesIO(archive.bytes()))
    monkeypatch.setattr(variant_budget, "NETWORK_BYTES", len(images.layer("file", b"0")))
    return serve(
        MirrorSettings(access=Access(USERS), variants=(VariantEncoding.ZSTD, VariantEncoding.GZIP))
    )


def test_anonymous_readers_have_variants_made_only_up_to_a_budget(
    limited: InProcessMirror,
) -> None:
    statuses = [limited("GET", f"/v2/demo/manifests/{tag}-gzip").status for tag in range(3)]
    assert statuses == [200, 429, 429]
    refused = limited("GET", "/v2/demo/manifests/1-gzip")
    assert refused.code == "TOOMANYREQUESTS"
    assert int(refused.headers["Retry-After"]) > 0
    # Variants that exist, variants of stored layers, and originals are served.
    for tag in ("0-gzip", "1-zstd", "2-zstd", "1"):
        assert limited("GET", f"/v2/demo/manifests/{tag}").status == 200
    assert b'event="refused_variants"} 3' in limited("GET", "/metrics").body
    assert limited("GET", "/v2/demo/manifests/9-gzip").status == 404


def test_users_have_no_budget(limited: InProcessMirror) -> None:
    for tag in range(3):
        answer = limited(
            "GET", f"/v2/demo/manifests/{tag}-gzip", Authorization=basic("alice", "secret")
        )
        assert answer.status == 200
    # What a user had made is served to everybody.
    assert limited("GET", "/v2/demo/manifests/2-gzip").status == 200


def test_clients_that_may_push_have_no_budget(
    store: Store, serve: Callable[..., InProcessMirror], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(variant_budget, "NETWORK_BYTES", 1)
    store.import_archive(io.BytesIO(images.image(images.A, tags=("demo:1", "demo:2")).bytes()))
    store.import_archive(io.BytesIO(images.image(images.B, tags=("demo:2",)).bytes()))
    for anonymous_write, statuses in ((False, [200, 429]), (True, [200, 200])):
        ask = serve(
            MirrorSettings(
                access=Access(anonymous_write=anonymous_write), variants=(VariantEncoding.GZIP,)
            )
        )
        assert [ask("GET", f"/v2/demo/manifests/{tag}-gzip").status for tag in (1, 2)] == statuses
