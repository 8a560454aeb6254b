from __future__ import annotations

import fcntl
import os
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from store import Store
from store.db.changes import Position
from store.maintenance import document_log
from store.maintenance.document_log import LogState
from store.model.limits import MIB
from tests.conftest import NOW
from tests.support.document_logs import (
    last_position,
    log_documents,
    log_path,
    log_records,
    log_tags,
)
from tests.support.images import A, B, image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APP = "docker.io/library/app"


@pytest.fixture
def store(root: Path) -> Iterator[Store]:
    with Store.open(root, create=True, clock=lambda: NOW) as opened:
        yield opened


def put(store: Store, folder: Path, *layers: bytes, tags: tuple[str, ...] = ("app:1",)) -> None:
    path = folder / "some.tar"
    path.write_bytes(image(*layers, tags=tags).bytes())
    store.import_archive(path)


@pytest.mark.parametrize(
    ("state", "is_due"),
    [
        (LogState(0, 0, None), True),
        (LogState(5, 5, Position(4, 5)), False),
        (LogState(10, 5, Position(4, 5)), True),
        (LogState(5, 5, Position(4, 4)), True),
        (LogState(9 * MIB, 5 * MIB, Position(4, 5)), False),
        (LogState(13 * MIB, 5 * MIB, Position(4, 5)), True),
    ],
)
def test_a_log_is_rewritten_if_it_misses_or_wastes_much(state: LogState, *, is_due: bool) -> None:
    assert state.is_due(Position(4, 5)) is is_due


def test_an_empty_store_gets_no_log(store: Store) -> None:
    assert not document_log.refresh(store)
    assert not log_path(store.root).exists()


def test_a_collection_leaves_nothing_of_deleted_images(store: Store, tmp_path: Path) -> None:
    put(store, tmp_path, A)
    put(store, tmp_path, B, tags=("app:2",))
    gone = str(store.inspect("app:2").image_id)
    store.remove("app:2")
    assert gone in log_documents(store.root)
    store.collect()
    assert gone not in log_documents(store.root)
    assert len(log_documents(store.root)) == 2
    assert log_tags(store.root) == {(APP, "1"): str(store.inspect("app:1").manifests[0].digest)}
    before = log_path(store.root).stat()
    store.collect()
    assert log_path(store.root).stat().st_ino == before.st_ino
    store.untag("app:1")
    assert log_tags(store.root) == {(APP, "1"): None}


def test_a_store_without_a_log_gets_all_of_it(store: Store, tmp_path: Path) -> None:
    put(store, tmp_path, A, B)
    log_path(store.root).unlink()
    store.collect()
    assert len(log_documents(store.root)) == 2
    position = last_position(store.root)
    store.tag("app:1", "app:2")
    assert last_position(store.root) == (position[0], position[1] + 1)


def test_what_is_written_during_the_rewriting_is_kept(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(store, tmp_path, A)
    log_path(store.root).unlink()
    real = document_log._write_snapshot

    def write_snapshot(*args: object) -> None:
        store.tag("app:1", "app:2")
        put(store, tmp_path, B, tags=("app:3",))
        real(*args)  # type: ignore[arg-type]
        store.untag("app:1")

    monkeypatch.setattr(document_log, "_write_snapshot", write_snapshot)
    # The first rewriting began without a log. A writer has begun one meanwhile.
    assert not document_log.refresh(store)
    store.tag("app:2", "app:1")
    assert document_log.refresh(store)
    monkeypatch.undo()
    store.tag("app:2", "app:4")
    tags = {tag: digest for (_, tag), digest in log_tags(store.root).items()}
    assert tags["1"] is None
    assert None not in (tags["2"], tags["3"], tags["4"])
    assert len(log_documents(store.root)) == 4
    assert [one for one in (store.root / "documents").iterdir() if "new" in one.name] == []


def test_only_one_process_rewrites(store: Store, tmp_path: Path) -> None:
    put(store, tmp_path, A)
    put(store, tmp_path, B, tags=("app:2",))
    new = store.root / "documents" / "log.new"
    new.write_bytes(b"half")
    with new.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert not document_log.refresh(store)
        assert new.read_bytes() == b"half"
    assert document_log.refresh(store)
    assert not new.exists()


def test_an_error_leaves_the_old_log(
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    put(store, tmp_path, A)
    put(store, tmp_path, B, tags=("app:2",))
    before = log_records(store.root)

    def fail(*_args: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(document_log, "_write_snapshot", fail)
    assert not document_log.refresh(store)
    assert "cannot rewrite the copy of the documents" in caplog.text
    assert log_records(store.root) == before
    assert not (store.root / "documents" / "log.new").exists()


def test_logs_of_replaced_catalogues_go_after_a_week(root: Path, tmp_path: Path) -> None:
    now = NOW
    with Store.open(root, create=True, clock=lambda: now) as store:
        put(store, tmp_path, A)
        aside = root / "documents" / f"log.{NOW:%Y%m%dT%H%M%SZ}.zst"
        aside.write_bytes(b"old")
        other = root / "documents" / "log.mine.zst"
        other.write_bytes(b"mine")
        store.collect()
        assert aside.exists()
        now = NOW + timedelta(days=7)
        store.collect()
        assert not aside.exists()
        assert other.exists()
