"""Syncs from registry to registry."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from remote.sync.options import SyncOptions
from remote.sync.run import StoreSync
from tests.support.faulty_registry import Answer
from tests.support.images import A, B
from tests.support.layouts import Layout, gzip
from tests.support.pulls import Upstream
from tests.support.syncs import MACHINE, RUN, read, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from remote.sync.report import SyncedImage
    from store import Store
    from store.model.digests import Digest
    from tests.support.pulls import Pulls

ALL = "sources: [{repository: HOST/team/app, to: 'docker://THERE/mirror/app', immutable: [v*]}]"
HOUR = timedelta(hours=1)


class Copies:
    """Syncs from one registry to another."""

    def __init__(self, pulls: Pulls, upstream: Upstream, there: Upstream) -> None:
        self.pulls, self.upstream, self.there = pulls, upstream, there

    def run(self, text: str, **options: object) -> dict[str, SyncedImage]:
        text = text.replace("HOST", self.upstream.registry.host)
        text = text.replace("THERE", self.there.registry.host)
        sync = StoreSync(
            self.pulls.store,
            lambda _access: self.pulls.repositories,
            self.pulls.loop,
            SyncOptions(**{"run": RUN, "machine": MACHINE, **options}),  # type: ignore[arg-type]
            push=lambda _access, name: self.pulls.repository(name.repository),
        )
        return {one.origin.tag or str(one.target.tag): one for one in sync.run(read(text))}

    def became(self, text: str, **options: object) -> dict[str, str]:
        return {tag: one.became.value for tag, one in self.run(text, **options).items()}

    def requests(self) -> list[str]:
        """Return the requests for manifests and lists since the last call, and all others."""
        seen = [
            f"{where} {one.method} {one.target.rpartition('/')[2]}"
            for where, side in (("from", self.upstream), ("to", self.there))
            for one in side.registry.requests()
        ]
        self.upstream.registry.clear()
        self.there.registry.clear()
        return seen


@pytest.fixture
def copies(pulls: Pulls, upstream: Upstream, tmp_path: Path) -> Iterator[Copies]:
    (tmp_path / "there").mkdir()
    with Upstream(tmp_path / "there") as there:
        yield Copies(pulls, upstream, there)


def digest_of(store: Store, name: str) -> Digest:
    return store.inspect_manifest(name).summary.digest


def test_images_are_sent_and_asked_for_once(copies: Copies, upstream: Upstream) -> None:
    serve(upstream, "team/app", {"v1": "a", "edge": "b"})
    planned = copies.run(ALL, is_plan=True)
    assert {one.became.value for one in planned.values()} == {"sent"}
    assert planned["v1"].fetched_blobs == 2
    assert copies.there.store.images() == ()
    assert copies.became(ALL) == {"v1": "sent", "edge": "sent"}
    for tag in ("v1", "edge"):
        there = digest_of(copies.there.store, f"mirror/app:{tag}")
        assert there == digest_of(upstream.store, f"team/app:{tag}")
    copies.requests()
    assert copies.became(ALL) == {"v1": "immutable", "edge": "unchanged"}
    assert copies.requests() == ["from GET list?n=1000", "from HEAD edge", "to HEAD edge"]
    assert copies.became(ALL, max_age=HOUR) == {"v1": "immutable", "edge": "fresh"}
    assert copies.requests() == ["from GET list?n=1000"]


def test_a_new_image_costs_each_question_once(copies: Copies, upstream: Upstream) -> None:
    serve(upstream, "team/app", {"v1": "a", "v2": "b"})
    copies.run(ALL)
    counts = Counter(line.rpartition(" ")[0] for line in copies.requests())
    # Of each image a config and a layer; there, each is asked for, and sent by two requests.
    assert counts == {
        "from GET": 1 + 2 + 4,
        "to HEAD": 2 + 4,
        "to POST": 4,
        "to PUT": 4 + 2,
    }


def test_a_tag_there_costs_conditional_questions(copies: Copies, upstream: Upstream) -> None:
    serve(upstream, "team/app", {"edge": "a"})
    copies.run(ALL)
    copies.requests()
    serve(copies.there, "mirror/app", {"edge": "b"})
    copies.there.registry.clear()
    upstream.registry.clear()
    copies.run(ALL)
    asked = [one for one in upstream.registry.requests() if one.method == "HEAD"]
    assert [one.headers.get("If-None-Match") is not None for one in asked] == [True]
    there = digest_of(copies.there.store, "mirror/app:edge")
    assert there == digest_of(upstream.store, "team/app:edge")


def test_what_moved_on_either_side_is_sent(copies: Copies, upstream: Upstream) -> None:
    serve(upstream, "team/app", {"edge": "a", "next": "b"})
    copies.run(ALL)
    serve(upstream, "team/app", {"next": "c"})
    copies.there.store.untag("mirror/app:edge")
    assert copies.became(ALL) == {"edge": "sent", "next": "sent"}
    for tag in ("edge", "next"):
        there = digest_of(copies.there.store, f"mirror/app:{tag}")
        assert there == digest_of(upstream.store, f"team/app:{tag}")


def test_all_platforms_are_sent_or_one_without_its_index(
    copies: Copies, upstream: Upstream
) -> None:
    layout = Layout()
    amd64, arm64 = layout.image(gzip(A)), layout.image(gzip(B), platform="linux/arm64")
    index = layout.index(amd64, arm64)
    layout.root(index, "docker.io/team/app:1")
    upstream.serve(layout)
    assert copies.became(ALL) == {"1": "sent"}
    assert str(digest_of(copies.there.store, "mirror/app:1")) == index["digest"]
    one = ALL.replace("mirror/app'", "mirror/one', platforms: [linux/arm64]")
    assert copies.became(one) == {"1": "sent"}
    assert str(digest_of(copies.there.store, "mirror/one:1")) == arm64["digest"]
    assert copies.became(one) == {"1": "unchanged"}


def test_a_digest_may_get_a_tag(copies: Copies, upstream: Upstream) -> None:
    serve(upstream, "team/app", {"1": "a"})
    digest = digest_of(upstream.store, "team/app:1")
    text = f"sources: [{{image: HOST/team/app@{digest}, to: 'docker://THERE/mirror/app:pinned'}}]"
    assert copies.became(text) == {"pinned": "sent"}
    assert digest_of(copies.there.store, "mirror/app:pinned") == digest
    assert copies.became(text) == {"pinned": "unchanged"}


def test_a_failed_image_stops_no_other(copies: Copies, upstream: Upstream) -> None:
    serve(upstream, "team/app", {"1": "a", "2": "b"})
    upstream.registry.always(Answer(403), path="/manifests/1")
    outcomes = copies.run(ALL)
    assert {tag: one.became.value for tag, one in outcomes.items()} == {"1": "failed", "2": "sent"}
    assert "team/app" in str(outcomes["1"].error)
    upstream.registry.clear()
    copies.there.registry.always(Answer(401), path="/blobs/uploads")
    assert copies.became(ALL) == {"1": "failed", "2": "unchanged"}
    copies.there.registry.clear()
    assert copies.became(ALL) == {"1": "sent", "2": "unchanged"}


def test_tags_in_a_registry_are_not_removed(copies: Copies, upstream: Upstream) -> None:
    serve(upstream, "team/app", {"1": "a", "2": "b"})
    copies.run(ALL)
    upstream.store.untag("team/app:2")
    assert copies.became(ALL, prunes=True) == {"1": "unchanged"}
    assert digest_of(copies.there.store, "mirror/app:2")
