"""The log of references: the changes of a tag, and what tags named at a time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from store import Store
from store.catalog import naming, references
from store.catalog.collection import history
from store.catalog.lists import tag_changes
from store.model.actors import Actor
from store.model.references import Reference
from tests.conftest import NOW
from tests.support.images import A, B
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

APP = Reference.parse("team/app:1")


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def move(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def moved(root: Path, clock: Clock) -> Iterator[Store]:
    """A store whose tag has named A, B, nothing, and B again, ten seconds apart."""
    with Store.open(root, create=True, clock=clock, actor=Actor("eve")) as store:
        put_image(store, A, tags=("team/app:1",))
        clock.move(10)
        put_image(store, B, tags=("team/app:1", "team/app:2"))
        clock.move(10)
        store.untag("team/app:1")
        clock.move(10)
        store.tag("team/app:2", "team/app:1")
        yield store


def test_changes_are_listed_newest_first_with_their_user(moved: Store) -> None:
    with moved.read() as connection:
        found = tag_changes.changes(connection, APP)
        everything = tag_changes.changes(connection, Reference(APP.repository))
        assert tag_changes.changes(connection, APP, limit=1, skip=1) == found[1:2]
        assert tag_changes.tags(connection, APP.repository) == (
            APP,
            Reference.parse("team/app:2"),
        )
    assert [one.kind for one in found] == ["tag", "untag", "import", "import"]
    assert {one.actor["user"] for one in found} == {"eve"}
    assert found[0].old is None
    assert found[1].new is None
    assert found[2].new == found[1].old == found[0].new
    assert found[3].old is None
    assert len(everything) == len(found) + 1


@pytest.mark.parametrize(("seconds", "operation"), [(-1, "import"), (0, "import"), (15, "untag")])
def test_the_first_change_after_a_time_has_what_was_named_then(
    moved: Store, seconds: int, operation: str
) -> None:
    with moved.read() as connection:
        found = tag_changes.first_after(connection, APP, NOW + timedelta(seconds=seconds))
        assert tag_changes.first_after(connection, APP, NOW + timedelta(seconds=30)) is None
    assert found is not None
    assert found.kind == operation


def test_what_was_replaced_since_a_time_is_found_by_number(moved: Store) -> None:
    with moved.read() as connection:
        first, second = (one.new for one in reversed(tag_changes.changes(connection, APP)[2:]))
        for seconds, wanted in ((0, {first, second}), (10, {first, second}), (11, {second})):
            since = NOW + timedelta(seconds=seconds)
            found, newest = tag_changes.replaced_since(connection, since)
            assert set(found) == wanted
            assert newest == NOW + timedelta(seconds=20)
        assert tag_changes.replaced_since(connection, NOW + timedelta(seconds=31)) == ({}, None)


def test_a_log_that_begins_later_says_so(moved: Store) -> None:
    with moved.write() as connection:
        assert tag_changes.forgotten_before(connection) is None
        history.remove_old(connection, before=NOW + timedelta(seconds=15))
        assert tag_changes.forgotten_before(connection) == NOW + timedelta(seconds=20)


def test_an_empty_log_has_no_changes(store: Store) -> None:
    with store.read() as connection:
        assert tag_changes.changes(connection, APP) == ()
        assert tag_changes.forgotten_before(connection) is None
        assert tag_changes.replaced_since(connection, NOW) == ({}, None)


def test_the_changes_of_a_run_are_found_by_its_name(store: Store) -> None:
    put_image(store, A, tags=("team/app:1",))
    with store.write() as connection:
        for name in ("sync-0123456789ab00000000", "sync-ffffffffffff00000000"):
            target = references.get(connection, APP)
            assert target is not None
            naming.remove_tag(connection, target, now=NOW, operation=name)
            naming.set_tags(connection, {APP: target.manifest}, now=NOW, operation="tag")
        changes = tag_changes.of_run(connection, "sync-0123456789ab")
        assert [(one.kind, one.new) for one in changes] == [("sync-0123456789ab", None)]
        assert tag_changes.of_run(connection, "sync-0000000000ab") == ()
    assert tag_changes.is_run("sync-0123456789ab")
    assert not tag_changes.is_run("sync-0123456789ab00000000")
    assert not tag_changes.is_run("sync-0123456789AB")
