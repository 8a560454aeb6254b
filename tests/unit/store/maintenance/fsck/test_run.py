from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from store.errors import StorageFull
from store.maintenance.reports import Severity
from store.model.contents import ContentState
from tests.support.checked_stores import check, encodings_of, layer_file

if TYPE_CHECKING:
    import pytest

    from store import ImageID, Store


def test_an_intact_store_has_no_findings(store: Store, image_id: ImageID) -> None:
    assert image_id
    assert check(store) == []


def test_damaged_content_is_marked_by_the_store(store: Store, image_id: ImageID) -> None:
    assert image_id
    digest = layer_file(store)
    store.blobs.path(digest).write_bytes(b"other bytes")
    assert list(store.fsck())
    assert store.sources((digest,))[digest].state is ContentState.DAMAGED


def test_bytes_that_are_right_again_lose_their_mark(store: Store, image_id: ImageID) -> None:
    assert image_id
    digest = layer_file(store)
    (layer,) = {found for found, stored in encodings_of(store) if stored == digest}
    data = store.blobs.path(digest).read_bytes()
    store.blobs.path(digest).write_bytes(b"other bytes")
    assert [finding.kind for finding in store.fsck()] == ["damaged"]
    assert store.sources((layer,))[layer].state is ContentState.DAMAGED
    store.blobs.path(digest).write_bytes(data)
    (finding,) = store.fsck()
    assert (finding.kind, finding.severity) == ("marked-damaged", Severity.WARNING)
    for one in (digest, layer):
        assert store.sources((one,))[one].state is ContentState.PRESENT
    assert list(store.fsck()) == []


def test_findings_come_before_marks_and_a_full_disk_ends_nothing(
    store: Store, image_id: ImageID, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert image_id
    for location in list(store.blobs.locations()):
        store.blobs.path(store.blobs.digest(location)).write_bytes(b"rotten")

    def full(*_: object, **__: object) -> NoReturn:
        raise StorageFull("store.db-wal: No space left on device")

    monkeypatch.setattr(store, "write", full)
    findings = list(store.fsck())
    kinds = [finding.kind for finding in findings]
    assert kinds == ["damaged", "damaged", "not-recorded", "not-recorded"]
    assert "the checks of 2 contents" in findings[-2].message
    assert "the marks of 2 damaged" in findings[-1].message
