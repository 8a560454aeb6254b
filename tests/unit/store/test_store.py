"""The decisions that `Store` makes itself; other tests cover the functions that it calls."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest

from store import Store, errors
from store.model.contents import ContentState
from tests.conftest import NOW
from tests.support.images import A, B
from tests.support.stored_images import put_image


def test_a_new_tag_and_an_untagged_name_default_to_latest(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    assert store.tag("x:1", "y").reference.tag == "latest"
    assert [line.name for line in store.untag("y")] == ["y:latest"]


def test_a_malformed_tag_is_rejected_before_anything_is_written(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    with pytest.raises(errors.InvalidReference):
        store.tag("x:1", "Upper:1")
    with pytest.raises(errors.InvalidReference):
        store.untag("Upper:1")


def test_events_are_filtered_by_time_action_and_target(store: Store) -> None:
    image_id = put_image(store, A, tags=("x:1",))
    store.untag("x:1")
    assert [event.action for event in store.events()] == ["import", "untag"]
    assert [event.action for event in store.events(actions=("untag",))] == ["untag"]
    assert list(store.events(targets=("nothing",))) == []
    assert len(list(store.events(targets=(str(image_id),)))) == 2
    assert list(store.events(since=NOW + timedelta(seconds=1))) == []
    assert list(store.events(until=NOW - timedelta(seconds=1))) == []


def test_a_check_marks_what_it_finds_damaged(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    (location,) = store.blobs.locations()
    digest = store.blobs.digest(location)
    store.blobs.path(digest).write_bytes(b"other bytes")
    assert [finding.kind for finding in store.fsck()] == ["damaged"]
    assert store.sources((digest,))[digest].state is ContentState.DAMAGED


def test_a_dry_run_of_a_collection_works_on_a_read_only_store(store: Store) -> None:
    put_image(store, B)
    with Store.open(store.root, read_only=True) as reading:
        assert len(reading.collect(dry_run=True, dangling=True).images) == 1
        with pytest.raises(errors.ReadOnlyStore):
            reading.collect(dangling=True)


def test_opening_a_store_loads_only_what_every_verb_needs() -> None:
    script = (
        "import sys, store.store\n"
        "loaded = [name for name in sys.modules if name.startswith('store.')]\n"
        "print([name for name in loaded if name.split('.')[1] in"
        " ('importing', 'maintenance', 'queries', 'registry', 'names', 'catalog', 'content')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
