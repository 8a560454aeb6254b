from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import pytest

from store import errors
from store.content.examination import Condition
from store.db.schema import document
from store.model.contents import ContentState
from store.model.digests import Digest
from store.workspace import damage
from store.workspace.workspace import Workspace
from tests.support.damage import mark_damaged
from tests.support.images import A
from tests.support.registry_pushes import push_blob
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from store import Store
    from store.registry.registry import Registry


def state(store: Workspace, digest: Digest) -> ContentState:
    return store.sources((digest,))[digest].state


@pytest.fixture
def digest(registry: Registry) -> Digest:
    return push_blob(registry, b"data")


def test_damage_is_marked_if_the_bytes_are_wrong_when_they_are_read_again(
    store: Store, digest: Digest
) -> None:
    error = errors.DamagedContent("damaged", digest=digest)
    assert damage.report(store, error)
    assert state(store, digest) is ContentState.PRESENT
    store.blobs.path(digest).write_bytes(b"dat_")
    with Workspace.open(store.root, read_only=True) as reading:
        assert reading.report_damage(error)
    assert state(store, digest) is ContentState.PRESENT
    assert store.report_damage(error)
    assert state(store, digest) is ContentState.DAMAGED


def test_missing_and_unknown_content_is_not_marked(store: Store, digest: Digest) -> None:
    store.blobs.path(digest).unlink()
    assert damage.report(store, errors.ContentMissing("missing", digest=digest))
    assert state(store, digest) is ContentState.PRESENT
    unknown = Digest.of(b"unknown")
    assert damage.report(store, errors.DamagedContent("damaged", digest=unknown))
    assert damage.examination(store, unknown) is None
    found = damage.examination(store, digest)
    assert found is not None
    assert found.condition is Condition.MISSING


def test_bytes_that_were_replaced_in_the_meantime_are_not_marked(
    store: Store, digest: Digest, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.blobs.path(digest).write_bytes(b"dat_")
    write = store.write

    def heal_first(owner: str) -> object:
        path = store.blobs.path(digest)
        (path.parent / "new").write_bytes(b"data")
        (path.parent / "new").replace(path)
        return write(owner)

    monkeypatch.setattr(store, "write", heal_first)
    damage.report(store, errors.DamagedContent("damaged", digest=digest))
    assert state(store, digest) is ContentState.PRESENT


def test_wrong_bytes_in_the_catalogue_are_marked(store: Store) -> None:
    image_id = put_image(store, A, tags=("x:1",))
    with store.write("test") as connection:
        connection.execute(document.update().values(bytes=b"flipped"))
    damage.report(store, errors.DamagedContent("damaged", digest=image_id.digest))
    assert state(store, image_id.digest) is ContentState.DAMAGED


def test_damage_that_cannot_be_recorded_is_logged(
    store: Store,
    digest: Digest,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(*_: object, **__: object) -> NoReturn:
        raise errors.StorageFull("store.db-wal: No space left on device")

    store.blobs.path(digest).write_bytes(b"dat_")
    monkeypatch.setattr(store, "write", full)
    assert not damage.report(store, errors.DamagedContent("damaged", digest=digest))
    assert not damage.clear(store, digest)
    assert "cannot record damage" in caplog.text


def test_a_cleared_mark_frees_what_is_decoded_from_the_blob(
    store: Store,
) -> None:
    put_image(store, A, tags=("x:1",))
    diff = Digest.of(A)
    (encoding,) = store.sources((diff,))[diff].encodings
    mark_damaged(store, encoding.digest)
    assert state(store, diff) is ContentState.DAMAGED
    assert damage.clear(store, encoding.digest)
    assert state(store, diff) is ContentState.PRESENT
