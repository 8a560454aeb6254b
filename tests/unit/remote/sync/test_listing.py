"""The images that sources name, with filters that need questions."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.faulty_registry import Answer
from tests.support.syncs import Syncs, serve

if TYPE_CHECKING:
    from tests.support.pulls import Pulls, Upstream


@pytest.fixture
def syncs(pulls: Pulls, upstream: Upstream) -> Syncs:
    return Syncs(pulls, upstream)


TIMES = {"a": "2026-01-01T00:00:00.123456789Z", "b": "2026-01-03T00:00:00Z", "c": "never"}


def test_the_newest_images_are_found_by_their_times(syncs: Syncs, upstream: Upstream) -> None:
    serve(upstream, "team/app", {"x": "a", "y": "b", "z": "c"}, **TIMES)
    text = "sources: [{repository: HOST/team/app, tags: {newest: 2, order: created}}]"
    assert syncs.became(text) == {"x": "pulled", "y": "pulled"}
    assert {"GET list?n=1000", "HEAD x", "HEAD y", "HEAD z"} <= set(syncs.requests())
    # The times are remembered. Each tag is asked for once.
    assert syncs.became(text) == {"x": "unchanged", "y": "unchanged"}
    assert sorted(syncs.requests()) == ["GET list?n=1000", "HEAD x", "HEAD y", "HEAD z"]
    assert syncs.became(text, max_age=timedelta(hours=1)) == {"x": "fresh", "y": "fresh"}


def test_a_list_that_fails_stops_no_other(syncs: Syncs, upstream: Upstream) -> None:
    serve(upstream, "team/app", {"1": "a"})
    serve(upstream, "team/other", {"2": "a"})
    upstream.registry.always(Answer(404), path="/team/app/tags/list")
    text = "sources: [{repository: HOST/team/app}, {repository: HOST/team/other}]"
    assert syncs.became(text) == {"team/app": "failed", "2": "pulled"}


def test_an_image_that_is_listed_twice_is_one_image(syncs: Syncs, upstream: Upstream) -> None:
    serve(upstream, "team/app", {"1": "a"})
    text = "sources: [{repository: HOST/team/app}, {image: HOST/team/app:1}]"
    assert syncs.became(text) == {"1": "pulled"}


def test_two_images_cannot_have_one_name(syncs: Syncs, upstream: Upstream) -> None:
    serve(upstream, "team/app", {"1": "a", "2": "b"})
    text = "sources: [{image: HOST/team/app:1, to: x:1}, {image: HOST/team/app:2, to: x:1}]"
    outcomes = syncs.run(text)
    assert {one.origin.tag: one.became.value for one in outcomes} == {"1": "pulled", "2": "failed"}
    assert "line 1 of FILE gives this name to" in str(outcomes[0].error)


def test_tags_of_referrers_come_with_their_images(syncs: Syncs, upstream: Upstream) -> None:
    signature = f"sha256-{'a' * 64}.sig"
    serve(upstream, "team/app", {"1": "a", signature: "b"})
    text = "sources: [{repository: HOST/team/app, referrers: true}]"
    assert syncs.became(text) == {"1": "pulled"}
    assert syncs.became(text.replace("true", "false"))[signature] == "pulled"
