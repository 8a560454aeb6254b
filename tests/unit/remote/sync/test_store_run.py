"""Syncs into a store: what is fetched, what is asked, and what stays after failures."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from store.model.digests import Digest
from store.model.references import Reference
from store.undo.rollback import log
from tests.support.faulty_registry import Answer, CutAfter, Rewrite
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip
from tests.support.syncs import RUN, Syncs, serve

if TYPE_CHECKING:
    from store import Store
    from tests.support.pulls import Pulls, Upstream

ALL = "sources: [{repository: HOST/team/app}]"
HOUR = timedelta(hours=1)


@pytest.fixture
def syncs(pulls: Pulls, upstream: Upstream) -> Syncs:
    return Syncs(pulls, upstream)


def digest_of(store: Store, name: object) -> Digest:
    return store.inspect_manifest(str(name)).summary.digest


def test_a_tag_that_has_not_moved_costs_one_request(
    syncs: Syncs, upstream: Upstream, store: Store
) -> None:
    serve(upstream, "team/app", {"1": "a", "2": "b"})
    assert syncs.became(ALL) == {"1": "pulled", "2": "pulled"}
    syncs.requests()
    assert syncs.became(ALL) == {"1": "unchanged", "2": "unchanged"}
    assert sorted(syncs.requests()) == ["GET list?n=1000", "HEAD 1", "HEAD 2"]
    serve(upstream, "team/app", {"2": "c", "3": "d"})
    assert syncs.became(ALL) == {"1": "unchanged", "2": "pulled", "3": "pulled"}
    for tag in "123":
        name = upstream.name(f"team/app:{tag}")
        assert digest_of(store, name) == digest_of(upstream.store, f"team/app:{tag}")
    assert list(store.fsck()) == []


def test_immutable_and_fresh_tags_cost_nothing(syncs: Syncs, upstream: Upstream) -> None:
    serve(upstream, "team/app", {"v1": "a", "edge": "b"})
    text = "sources: [{repository: HOST/team/app, tags: [v1, edge], immutable: [v*]}]"
    syncs.run(text)
    syncs.requests()
    assert syncs.became(text) == {"v1": "immutable", "edge": "unchanged"}
    assert syncs.requests() == ["HEAD edge"]
    assert syncs.became(text, max_age=HOUR) == {"v1": "immutable", "edge": "fresh"}
    assert syncs.requests() == []


def test_many_tags_cost_one_conditional_head_each_or_one_list(
    syncs: Syncs, upstream: Upstream
) -> None:
    """A copy of every tag, as `skopeo sync` makes it, takes a manifest, a config and a layer."""
    count = 50
    serve(upstream, "team/app", {f"v{number}": "a" for number in range(count)})
    syncs.run(ALL)
    upstream.registry.clear()
    assert set(syncs.became(ALL).values()) == {"unchanged"}
    heads = [one for one in upstream.registry.requests() if one.method == "HEAD"]
    assert len(heads) == count
    assert all(one.headers.get("If-None-Match") for one in heads)
    assert len(syncs.requests()) == count + 1
    for text, age in ((ALL, HOUR), (ALL.replace("}]", ", immutable: ['*']}]"), timedelta())):
        assert set(syncs.became(text, max_age=age).values()) <= {"fresh", "immutable"}
        assert len(syncs.requests()) <= 3 * count / 100


def test_a_tag_that_was_removed_here_comes_back(
    syncs: Syncs, upstream: Upstream, store: Store
) -> None:
    serve(upstream, "team/app", {"v1": "a"})
    text = "sources: [{repository: HOST/team/app, tags: [v1], immutable: [v*]}]"
    syncs.run(text)
    store.untag(str(upstream.name("team/app:v1")))
    assert syncs.became(text, max_age=HOUR) == {"v1": "pulled"}


def test_a_plan_changes_nothing(syncs: Syncs, upstream: Upstream, store: Store) -> None:
    serve(upstream, "team/app", {"1": "a"})
    for _ in range(2):
        (planned,) = syncs.run(ALL, is_plan=True)
        assert (planned.became, planned.before, planned.fetched_blobs) == ("pulled", None, 1)
        assert planned.fetched_bytes > 0
    assert store.names(str(planned.target.repository), 10) == ()
    assert syncs.became(ALL) == {"1": "pulled"}


def test_a_failed_image_stops_no_other_and_what_was_here_stays(
    syncs: Syncs, upstream: Upstream, store: Store
) -> None:
    serve(upstream, "team/app", {"1": "a", "2": "b", "3": "c"})
    syncs.run(ALL)
    before = digest_of(store, upstream.name("team/app:2"))
    serve(upstream, "team/app", {"1": "d", "2": "e", "3": "f"})
    moved = digest_of(upstream.store, "team/app:2")
    upstream.registry.always(Answer(500), path=f"/manifests/{moved}")
    assert syncs.became(ALL) == {"1": "pulled", "2": "failed", "3": "pulled"}
    assert digest_of(store, upstream.name("team/app:2")) == before
    upstream.registry.clear()
    assert syncs.became(ALL, max_age=HOUR) == {"1": "fresh", "2": "pulled", "3": "fresh"}


@pytest.mark.parametrize(
    ("fault", "path"),
    [
        (CutAfter(0), "/blobs/"),
        (Rewrite(flip=True), "/blobs/"),
        (Answer(403), "/blobs/"),
        (Answer(404), "/manifests/"),
        (Answer(503), "/manifests/"),
        (Rewrite({"Docker-Content-Digest": f"sha256:{'0' * 64}"}), "/manifests/"),
        (Rewrite(flip=True), "/manifests/"),
        (Answer(200, {}, b"{"), "/tags/list"),
        (Answer(401), "/tags/list"),
    ],
)
def test_a_fault_leaves_no_part_of_an_image(
    syncs: Syncs, upstream: Upstream, store: Store, fault: object, path: str
) -> None:
    serve(upstream, "team/app", {"1": "a"})
    upstream.registry.always(fault, method="GET", path=path)  # type: ignore[arg-type]
    (outcome,) = syncs.run(ALL)
    assert outcome.became == "failed"
    assert outcome.error is not None
    assert upstream.registry.host in outcome.error.message
    assert store.names(str(outcome.target.repository), 10) == ()
    upstream.registry.clear()
    assert syncs.became(ALL) == {"1": "pulled"}
    assert list(store.fsck()) == []


def test_images_get_the_names_that_the_file_gives(
    syncs: Syncs, upstream: Upstream, store: Store
) -> None:
    serve(upstream, "team/app", {"1": "a", "2": "a"})
    digest = digest_of(upstream.store, "team/app:1")
    text = (
        "sources: [{repository: HOST/team/app, to: mirror/app}, {image: HOST/team/app:1, to:"
        f" 'x:y'}}, {{image: HOST/team/app@{digest}, to: z}}]"
    )
    assert {one.became.value for one in syncs.run(text)} == {"pulled"}
    assert digest_of(store, "mirror/app:2") == digest_of(store, "x:y") == digest
    assert digest_of(store, f"z@{digest}") == digest
    syncs.requests()
    assert {one.became.value for one in syncs.run(text, max_age=HOUR)} == {"fresh", "unchanged"}
    # A digest that is here needs no request.
    assert syncs.requests() == ["GET list?n=1000"]


def test_other_platforms_complete_an_image(syncs: Syncs, upstream: Upstream, store: Store) -> None:
    layout = Layout()
    images = layout.image(gzip(A)), layout.image(gzip(B), platform="linux/arm64")
    layout.root(layout.index(*images), "docker.io/team/app:1")
    upstream.serve(layout)
    assert syncs.became(ALL) == {"1": "pulled"}
    assert syncs.became(ALL) == {"1": "unchanged"}
    more = ALL.replace("}]", ", platforms: all}]")
    assert syncs.became(more) == {"1": "pulled"}
    assert store.document(Digest.parse(images[1]["digest"]))
    assert syncs.became(more) == {"1": "unchanged"}


def test_new_referrers_of_an_image_are_found(
    syncs: Syncs, upstream: Upstream, store: Store
) -> None:
    layout = Layout()
    image = layout.image(gzip(A))
    layout.root(image, "docker.io/team/app:1")
    upstream.serve(layout)
    text = ALL.replace("}]", ", referrers: true, immutable: [v*]}]")
    assert syncs.became(text) == {"1": "pulled"}
    proof = layout.artifact(b"proof", subject=image)
    layout.root(proof)
    upstream.serve(layout)
    assert syncs.became(text) == {"1": "pulled"}
    assert store.document(Digest.parse(proof["digest"]))


def test_the_log_has_the_run(syncs: Syncs, upstream: Upstream, store: Store) -> None:
    serve(upstream, "team/app", {"1": "a"})
    syncs.run(ALL)
    (change,) = log(store, str(upstream.name("team/app:1")))
    assert change.kind == f"sync-{RUN}"
    assert change.operation.startswith(f"sync-{RUN}")
    assert Reference.parse(str(change.reference)) == upstream.name("team/app:1")
