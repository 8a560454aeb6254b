"""Questions to registries."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from remote.errors import BudgetReached
from remote.http.budgets import Budgets
from remote.sync.asking import each
from remote.sync.options import SyncOptions
from remote.sync.report import Became
from remote.sync.run import StoreSync
from tests.support.faulty_registry import Answer, Rewrite
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip
from tests.support.pulls import Pulls
from tests.support.syncs import MACHINE, RUN, Syncs, read, serve

if TYPE_CHECKING:
    from store import Store
    from tests.support.pulls import Upstream


@pytest.fixture
def syncs(pulls: Pulls, upstream: Upstream) -> Syncs:
    return Syncs(pulls, upstream)


BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
ATTESTATION = {"dev.sigstore.bundle.predicateType": "https://slsa.dev/provenance/v1"}


@pytest.mark.parametrize(
    ("kind", "annotations", "is_signed"),
    [
        ("application/vnd.cncf.notary.signature", {}, True),
        ("application/vnd.dev.cosign.artifact.sig.v1+json", {}, True),
        (BUNDLE, {}, True),
        (BUNDLE, ATTESTATION, False),
        ("application/spdx+json", {}, False),
    ],
)
def test_a_referrer_may_be_a_signature(
    syncs: Syncs, upstream: Upstream, kind: str, annotations: dict[str, str], *, is_signed: bool
) -> None:
    layout = Layout()
    image, other = layout.image(gzip(A)), layout.image(gzip(B))
    layout.root(image, "docker.io/team/app:1")
    layout.root(other, "docker.io/team/app:2")
    layout.root(
        layout.artifact(b"proof", subject=image, artifact_type=kind, annotations=annotations)
    )
    upstream.serve(layout)
    text = "sources: [{repository: HOST/team/app, signed: true}]"
    assert syncs.became(text) == {"1": "pulled" if is_signed else "unsigned", "2": "unsigned"}


@pytest.mark.parametrize("tags", ["{include: '?'}", "['1']"])
def test_a_tag_of_cosign_is_a_signature(syncs: Syncs, upstream: Upstream, tags: str) -> None:
    serve(upstream, "team/app", {"1": "a"})
    digest = upstream.store.inspect_manifest("team/app:1").summary.digest
    serve(upstream, "team/app", {f"{str(digest).replace(':', '-')}.sig": "signature"})
    text = f"sources: [{{repository: HOST/team/app, signed: true, tags: {tags}}}]"
    assert syncs.became(text) == {"1": "pulled"}


def test_a_registry_with_a_reached_limit_is_not_asked_again(
    syncs: Syncs, upstream: Upstream
) -> None:
    serve(upstream, "team/app", {str(number): "a" for number in range(30)})
    text = "sources: [{repository: HOST/team/app}]"
    assert set(syncs.became(text).values()) == {"pulled"}
    upstream.registry.clear()
    upstream.registry.always(Answer(429, {"Retry-After": "9999"}), path="/manifests/")
    assert set(syncs.became(text, jobs=1).values()) == {"failed"}
    assert upstream.registry.count("", "/manifests/") == 1


def test_many_questions_take_few_tasks_and_keep_their_order() -> None:
    most = 0

    async def ask(number: int) -> int:
        nonlocal most
        most = max(most, len(asyncio.all_tasks()))
        await asyncio.sleep(0)
        return number * 2

    assert asyncio.run(each(range(1000), ask, workers=3)) == [2 * one for one in range(1000)]
    # The workers, and the task that waits for them.
    assert most <= 4


def announce(upstream: Upstream, remaining: int, times: int = 1) -> None:
    """Let the registry count manifests that a client gets, as Docker Hub does."""
    for number in range(times):
        left = {
            "RateLimit-Limit": "20;w=3600",
            "RateLimit-Remaining": f"{remaining - number};w=3600",
        }
        upstream.registry.inject(Rewrite(left), method="GET", path="/manifests/")


def test_the_requests_of_a_reserve_are_left_to_others(upstream: Upstream, store: Store) -> None:
    """Twenty requests, of which ten percent are left; one job, so that nothing overtakes."""
    serve(upstream, "team/app", {f"{number}": f"{number}" for number in range(6)})
    announce(upstream, 5, times=6)
    text = "sources: [{repository: HOST/team/app}]"
    budgets = Budgets()
    with Pulls(store, budgets=budgets) as pulls:
        outcomes = list(
            StoreSync(
                store,
                lambda _access: pulls.repositories,
                pulls.loop,
                SyncOptions(RUN, MACHINE, jobs=1),
                budgets=budgets,
            ).run(read(text.replace("HOST", upstream.registry.host)))
        )
    became = [one.became.value for one in outcomes]
    pulled, left = became.count("pulled"), became.count("left")
    assert pulled + left == 6
    # The fourth answer says that two are left; a request may be on its way by then.
    assert upstream.registry.count("GET", "/manifests/") == pulled
    assert 4 <= pulled < 6
    assert {type(one.error) for one in outcomes if one.became is Became.LEFT} == {BudgetReached}
    # The next run, of another process, sends no request at all.
    upstream.registry.clear()
    with Pulls(store) as pulls:
        again = Budgets()
        outcomes = list(
            StoreSync(
                store,
                lambda _access: pulls.repositories,
                pulls.loop,
                SyncOptions(RUN, MACHINE),
                budgets=again,
            ).run(read(text.replace("HOST", upstream.registry.host)))
        )
        assert [one.became.value for one in outcomes] == ["left"]
        assert upstream.registry.seen == []
        # After the time of the announcement, it goes on.
        later = Budgets(now=lambda: datetime.now(UTC) + timedelta(hours=2))
        outcomes = list(
            StoreSync(
                store,
                lambda _access: pulls.repositories,
                pulls.loop,
                SyncOptions(RUN, MACHINE),
                budgets=later,
            ).run(read(text.replace("HOST", upstream.registry.host)))
        )
    assert {one.became.value for one in outcomes} == {"pulled", "unchanged"}
