"""Tags that are no longer listed are removed, if nobody else needs them; the run can be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.undo.rollback import log, rollback
from tests.support.faulty_registry import Answer
from tests.support.syncs import RUN, Syncs, serve

if TYPE_CHECKING:
    from store import Store
    from tests.support.pulls import Pulls, Upstream

ALL = "{defaults: {prune: true}, sources: [{repository: HOST/team/app, tags: {exclude: none}}]}"
LESS = ALL.replace("none", "'2*'")
OTHER = "{sources: [{repository: HOST/team/app, tags: {exclude: none}}], name: other}"
NEXT = "fedcba987654"


@pytest.fixture
def syncs(pulls: Pulls, upstream: Upstream) -> Syncs:
    serve(upstream, "team/app", {"1": "a", "2": "b"})
    return Syncs(pulls, upstream)


def has(store: Store, upstream: Upstream, tag: str) -> bool:
    return bool(store.names(str(upstream.name(f"team/app:{tag}")), 10))


def test_a_tag_that_is_no_longer_listed_is_removed(
    syncs: Syncs, upstream: Upstream, store: Store
) -> None:
    syncs.run(ALL)
    (planned,) = [one for one in syncs.run(LESS, is_plan=True) if one.became == "removed"]
    assert (planned.target, has(store, upstream, "2")) == (upstream.name("team/app:2"), True)
    assert syncs.became(LESS) == {"1": "unchanged", "2": "removed"}
    assert not has(store, upstream, "2")
    assert syncs.became(LESS) == {"1": "unchanged"}
    assert list(store.fsck()) == []


def test_a_tag_that_the_registry_no_longer_has_is_removed(
    syncs: Syncs, upstream: Upstream, store: Store
) -> None:
    syncs.run(ALL)
    upstream.store.untag("team/app:2")
    assert syncs.became(ALL) == {"1": "unchanged", "2": "removed"}
    assert not has(store, upstream, "2")


def test_a_source_that_is_gone_needs_a_default(syncs: Syncs, upstream: Upstream) -> None:
    serve(upstream, "team/more", {"3": "c"})
    syncs.run(ALL)
    kept = "sources: [{repository: HOST/team/more, prune: true}]"
    assert syncs.became(kept) == {"3": "pulled"}
    assert syncs.became(kept, prunes=True) == {"3": "unchanged", "1": "removed", "2": "removed"}


def test_without_the_wish_nothing_is_removed(
    syncs: Syncs, upstream: Upstream, store: Store
) -> None:
    text = LESS.replace("defaults: {prune: true}, ", "")
    syncs.run(ALL)
    assert syncs.became(text) == {"1": "unchanged"}
    assert has(store, upstream, "2")


@pytest.mark.parametrize("change", ["other image", "same image", "other sync", "rollback"])
def test_a_tag_of_somebody_else_stays(
    syncs: Syncs, upstream: Upstream, store: Store, change: str
) -> None:
    syncs.run(ALL)
    name = str(upstream.name("team/app:2"))
    if change == "other image":
        store.tag(str(upstream.name("team/app:1")), name)
    elif change == "same image":
        store.tag(name, "keep:1")
        store.untag(name)
        store.tag("keep:1", name)
    elif change == "other sync":
        syncs.run(OTHER)
    else:
        store.untag(name)
        rollback(store, [name])
    assert "removed" not in syncs.became(LESS).values()
    assert has(store, upstream, "2")
    # It stays also in later runs.
    assert "removed" not in syncs.became(LESS).values()


def test_nothing_is_removed_if_a_list_fails(syncs: Syncs, upstream: Upstream, store: Store) -> None:
    serve(upstream, "team/more", {"3": "c"})
    both = ALL.replace("]}", ", {repository: HOST/team/more}]}")
    syncs.run(both)
    upstream.registry.always(Answer(404), path="/team/more/tags")
    assert syncs.became(both.replace("none", "'2*'")) == {"1": "unchanged", "team/more": "failed"}
    assert has(store, upstream, "2")


def test_a_run_can_be_undone(syncs: Syncs, upstream: Upstream, store: Store) -> None:
    serve(upstream, "team/app", {"4": "d"})
    syncs.run(ALL)
    before = {
        tag: store.inspect_manifest(str(upstream.name(f"team/app:{tag}"))).summary.digest
        for tag in "124"
    }
    serve(upstream, "team/app", {"1": "x", "3": "c", "4": "y"})
    upstream.store.untag("team/app:2")
    done = syncs.became(ALL, run=NEXT)
    assert done == {"1": "pulled", "2": "removed", "3": "pulled", "4": "pulled"}
    assert len(log(store, f"sync-{NEXT}")) == 4
    # What was changed since stays.
    store.untag(str(upstream.name("team/app:4")))
    planned = rollback(store, [f"sync-{NEXT}"], dry_run=True)
    undone = rollback(store, [f"sync-{NEXT}"])
    assert [(one.reference, one.after) for one in planned] == [
        (one.reference, one.after) for one in undone
    ]
    for tag in "12":
        name = str(upstream.name(f"team/app:{tag}"))
        assert store.inspect_manifest(name).summary.digest == before[tag]
    assert not has(store, upstream, "3")
    assert not has(store, upstream, "4")
    assert list(store.fsck()) == []
    # The first run is not that of the name.
    assert len(log(store, f"sync-{RUN}")) == 3


def test_times_of_tags_that_were_not_taken_are_kept_while_they_are_listed(
    syncs: Syncs, upstream: Upstream
) -> None:
    text = "sources: [{repository: HOST/team/app, tags: {newest: 1, order: created}, prune: true}]"
    syncs.run(text)
    syncs.requests()
    syncs.run(text)
    assert sorted(syncs.requests()) == ["GET list?n=1000", "HEAD 1", "HEAD 2"]
    upstream.store.untag("team/app:1")
    assert syncs.became(text) == {"2": "unchanged"}
