"""Tags go back to what they named before, and back again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from store import Store, errors
from store.catalog import naming, references
from store.catalog.collection import history
from store.model.digests import Digest
from store.model.references import Reference
from store.registry.registry import Registry
from store.undo.rollback import log, rollback, tag_as_of
from tests.conftest import NOW
from tests.support.images import A, B, E
from tests.support.layouts import INDEX, MANIFEST, encode
from tests.support.registry_pushes import (
    APP,
    OTHER,
    image_manifest,
    push_blob,
    push_image,
    squeezed,
)
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path


class Clock:
    """A clock that moves by a second whenever it is read."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def ticking(root: Path) -> Iterator[Store]:
    with Store.open(root, create=True, clock=Clock()) as store:
        yield store


def named(store: Store, name: str) -> object:
    try:
        return store.inspect(name).image_id
    except errors.NotFound:
        return None


def test_steps_count_changes_and_an_undo_can_be_undone(ticking: Store) -> None:
    a, b, e = (put_image(ticking, layer, tags=("x:1",)) for layer in (A, B, E))
    (done,) = rollback(ticking, ("x:1",))
    assert (done.image_id, named(ticking, "x:1")) == (b, b)
    assert done.before is not None
    rollback(ticking, ("x:1",))
    assert named(ticking, "x:1") == e
    # Three imports, a rollback, and its rollback.
    rollback(ticking, ("x:1",), steps=4)
    assert named(ticking, "x:1") == a
    assert [one.kind for one in log(ticking, "x:1")] == [*["rollback"] * 3, *["import"] * 3]


def test_a_dry_run_changes_nothing(ticking: Store) -> None:
    a = put_image(ticking, A, tags=("x:1",))
    ticking.remove("x:1")
    (planned,) = rollback(ticking, ("x:1",), dry_run=True)
    assert (planned.before, planned.image_id, named(ticking, "x:1")) == (None, a, None)
    (done,) = rollback(ticking, ("x:1",))
    assert done == planned
    (planned,) = rollback(ticking, ("x:1",), dry_run=True)
    assert (planned.before, planned.after) == (done.after, None)


def test_a_tag_that_was_new_is_removed_and_its_image_stays(ticking: Store) -> None:
    a = put_image(ticking, A, tags=("x:1",))
    (done,) = rollback(ticking, ("x:1",))
    assert (done.after, named(ticking, "x:1")) == (None, None)
    assert ticking.inspect(str(a)).image_id == a


def test_all_names_are_rolled_back_or_none(ticking: Store) -> None:
    put_image(ticking, A, tags=("x:1", "x:2"))
    put_image(ticking, B, tags=("x:1",))
    with pytest.raises(errors.ReferenceNotFound, match="no change of y:1 is recorded"):
        rollback(ticking, ("x:1", "y:1"))
    with pytest.raises(errors.ReferenceNotFound, match="only 1 change"):
        rollback(ticking, ("x:1", "x:2"), steps=2)
    assert [one.kind for one in log(ticking, "x:1")] == ["import", "import"]


def test_a_repository_goes_back_to_a_time(ticking: Store) -> None:
    a = put_image(ticking, A, tags=("x:1",))
    moment = ticking.now()
    put_image(ticking, B, tags=("x:1", "x:2"))
    done = rollback(ticking, ("x",), to=moment, all_tags=True)
    assert [(one.reference.tag, one.image_id) for one in done] == [("1", a), ("2", None)]
    assert [named(ticking, name) for name in ("x:1", "x:2")] == [a, None]
    done = rollback(ticking, ("x",), to=moment, all_tags=True)
    assert all(one.before == one.after for one in done)
    for names, error in ((("x:1",), errors.InvalidReference), (("y",), errors.ReferenceNotFound)):
        with pytest.raises(error):
            rollback(ticking, names, to=moment, all_tags=True)


def test_what_a_collection_has_taken_is_refused(ticking: Store) -> None:
    put_image(ticking, A, tags=("x:1",))
    ticking.remove("x:1")
    ticking.collect()
    for dry_run in (True, False):
        with pytest.raises(errors.ImageNotFound, match="a collection has removed it"):
            rollback(ticking, ("x:1",), dry_run=dry_run)
    with pytest.raises(errors.ReferenceNotFound, match="no change of y is recorded"):
        log(ticking, "y")
    with pytest.raises(errors.InvalidReference):
        log(ticking, f"y@{Digest.of(b'')}")


def test_a_time_before_the_log_begins_is_refused(ticking: Store) -> None:
    put_image(ticking, A, tags=("x:1",))
    moment = ticking.now()
    put_image(ticking, B, tags=("x:1",))
    put_image(ticking, A, tags=("x:1",))
    with ticking.write() as connection:
        history.remove_old(connection, keep=1)
    with pytest.raises(errors.ReferenceNotFound, match="the log of changes begins at 2026-01-02T"):
        rollback(ticking, ("x:1",), to=moment)


def test_a_tag_can_name_what_another_tag_named(ticking: Store) -> None:
    a = put_image(ticking, A, tags=("x:1",))
    moment = ticking.now()
    b = put_image(ticking, B, tags=("x:1",))
    change = tag_as_of(ticking, "x:1", "y:1", moment)
    assert (change.image_id, change.replaced) == (a, None)
    assert [named(ticking, name) for name in ("x:1", "y:1")] == [b, a]
    assert tag_as_of(ticking, "x:1", "y:1", ticking.now()).replaced == a
    with pytest.raises(errors.ReferenceNotFound, match="did not exist at that time"):
        tag_as_of(ticking, "y:1", "y:2", moment)


def test_a_tag_of_another_repository_gives_what_the_source_gave(ticking: Store) -> None:
    registry = Registry(ticking)
    config, image = image_manifest((A, squeezed(A)))
    for data in (config, squeezed(A)):
        push_blob(registry, data)
    registry.put_manifest(APP, image, media_type=MANIFEST, digest=None, tags=())
    child = {"mediaType": MANIFEST, "digest": str(Digest.of(image)), "size": len(image)}
    index = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]})
    registry.put_manifest(APP, index, media_type=INDEX, digest=None, tags=("many",))
    moment = ticking.now()
    ticking.remove("team/app:many")
    tag_as_of(ticking, "team/app:many", "team/other:many", moment)
    assert registry.manifest(OTHER, Digest.of(image)).data == image
    assert registry.blob(OTHER, Digest.of(squeezed(A)))
    # The source stays as it is.
    for target in ("many", Digest.of(image), Digest.of(index)):
        with pytest.raises(errors.NotFound):
            registry.manifest(APP, target)


def test_the_user_of_a_rollback_is_recorded(root: Path) -> None:
    with Store.open(root, create=True) as store:
        push_image(Registry(store), (A, squeezed(A)))
        rollback(store, ("team/app:1",))
        assert [one.action for one in store.events()][-1] == "untag"
        rollback(store, ("team/app:1",))
        assert [one.action for one in store.events()][-1] == "tag"


RUN = "sync-0123456789ab"


def test_a_run_is_undone_with_all_its_tags(ticking: Store) -> None:
    put_image(ticking, A, tags=("app:1", "app:2"))
    put_image(ticking, B, tags=("new:1",))
    one, two, new = map(Reference.parse, ("app:1", "app:2", "new:1"))
    with ticking.write() as connection:
        found = references.get_all(connection, (one, two, new))
        operation = f"{RUN}00000000"
        # A run may change a tag twice.
        naming.set_tags(connection, {one: found[new].manifest}, now=NOW, operation=operation)
        naming.remove_tag(connection, found[new], now=NOW, operation=operation)
        naming.remove_tag(connection, found[two], now=NOW, operation=operation)
        naming.set_tags(connection, {two: found[new].manifest}, now=NOW, operation=operation)
    assert [change.kind for change in log(ticking, RUN)] == [RUN] * 4
    assert len(log(ticking, RUN, limit=2)) == 2
    ticking.untag("app:2")
    done = {str(change.reference.familiar): change for change in rollback(ticking, [RUN])}
    assert done["app:1"].after == found[one].digest
    assert named(ticking, "app:1") == found[one].image_id
    assert named(ticking, "new:1") == found[new].image_id
    # This tag was changed after the run.
    assert (done["app:2"].before, done["app:2"].after) == (None, None)


def test_a_name_that_looks_like_a_run_is_a_name_if_there_is_no_run(ticking: Store) -> None:
    put_image(ticking, A, tags=(f"{RUN}:latest",))
    assert rollback(ticking, [RUN])[0].after is None
