"""Pulls as events: what they say, and how many are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store import Store
from store.catalog.events import Event
from store.model.actors import Actor
from store.model.digests import Digest
from store.registry import pulls
from store.registry.pulls import Pull, record_pulls
from tests.conftest import NOW
from tests.support.images import A
from tests.support.registry_pushes import APP, push_image

if TYPE_CHECKING:
    import pytest

    from store.registry.registry import Registry

UNKNOWN = Digest.of(b"an index")


def pulled(store: Store) -> list[Event]:
    return list(store.events(actions=["pull"]))


def test_events_say_who_pulled_what_under_which_name(store: Store, registry: Registry) -> None:
    image_id, pushed = push_image(registry, (A, A))
    record_pulls(
        store,
        [
            Pull(APP, "1", pushed, Actor("alice", "192.0.2.1"), NOW, 3),
            Pull(APP, pushed, pushed, Actor(None, "192.0.2.2"), NOW),
            Pull(APP, "2", UNKNOWN, Actor(), NOW),
        ],
    )
    assert [(one.target, dict(one.attributes)) for one in pulled(store)] == [
        (
            str(image_id),
            {"name": "team/app:1", "count": "3", "user": "alice", "address": "192.0.2.1"},
        ),
        (str(image_id), {"name": f"team/app@{pushed}", "address": "192.0.2.2"}),
        (str(UNKNOWN), {"name": "team/app:2"}),
    ]


def test_pulls_have_a_ceiling_and_leave_other_events_alone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.record([Event(NOW, "tag", "x")])
    store.record_reads([Event(NOW, "save", "y")], "anonymous")
    monkeypatch.setattr(pulls, "MAX_PULL_EVENTS", 2)
    for number in range(4):
        record_pulls(store, [Pull(APP, str(number), UNKNOWN, Actor(), NOW)])
    assert [one.attributes["name"] for one in pulled(store)] == ["team/app:2", "team/app:3"]
    assert [one.action for one in store.events()] == ["tag", "save", "pull", "pull"]


def test_a_read_only_store_records_nothing(store: Store) -> None:
    with Store.open(store.root, read_only=True) as reading:
        record_pulls(reading, [Pull(APP, "1", UNKNOWN, Actor(), NOW)])
    record_pulls(store, [])
    assert not pulled(store)
