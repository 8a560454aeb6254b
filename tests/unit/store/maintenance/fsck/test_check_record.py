from __future__ import annotations

from typing import TYPE_CHECKING

from store import Store
from store.catalog.checking import scrub
from store.errors import StoreBusy
from store.maintenance.fsck import check_record
from store.maintenance.fsck.run import check
from store.maintenance.scrub import checked_content
from store.model.progress import Silent
from tests.conftest import NOW
from tests.support.images import A, B
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def checked(store: Store) -> list[str]:
    return [one.kind for one in check(store, Silent())]


def rows(store: Store) -> int:
    with store.read() as connection:
        found = connection.exec_driver_sql("SELECT count(*) FROM content_check").scalar_one()
        return int(found)


def test_a_check_counts_for_scrubs(store: Store) -> None:
    put_image(store, A, B, tags=("app:1",))
    assert checked_content(store).oldest is None
    assert checked(store) == []
    assert checked_content(store).oldest == NOW
    with store.read() as connection:
        assert scrub.amount(connection, before=NOW) == (0, 0)
    assert rows(store) == checked_content(store).contents


def test_damaged_content_is_not_recorded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put_image(store, A, B, tags=("app:1",))
    monkeypatch.setattr(check_record, "WRITE_AFTER", 1)
    path = store.blobs.path(min(store.blobs.digests()))
    path.write_bytes(b"x" * path.stat().st_size)
    assert "damaged" in checked(store)
    assert rows(store) == checked_content(store).contents - 1


def test_a_read_only_store_is_not_written(root: Path) -> None:
    with Store.open(root, create=True, clock=lambda: NOW) as store:
        put_image(store, A, tags=("app:1",))
    with Store.open(root, read_only=True, clock=lambda: NOW) as store:
        assert checked(store) == []
        assert rows(store) == 0


def test_a_check_goes_on_while_another_process_is_stuck(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_image(store, A, B, tags=("app:1",))
    tries = []

    def busy(*_: object) -> None:
        tries.append(1)
        raise StoreBusy("busy")

    monkeypatch.setattr(check_record, "WRITE_AFTER", 1)
    monkeypatch.setattr(scrub, "record", busy)
    assert checked(store) == ["not-recorded"]
    assert len(tries) == 1
    assert rows(store) == 0
