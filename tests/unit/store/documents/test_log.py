"""What write units leave in the document log, and how they complete a log that misses some."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from store import Store
from store.documents import log as document_log
from store.workspace import engines
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


APP = "docker.io/library/app"


@pytest.fixture(autouse=True)
def _a_log_of_its_own() -> Iterator[None]:
    """Let each test have its warnings: a process warns once."""
    engines._document_log.cache_clear()
    yield
    engines._document_log.cache_clear()


@pytest.fixture
def store(root: Path) -> Iterator[Store]:
    with Store.open(root, create=True, clock=lambda: NOW) as opened:
        yield opened


def put(store: Store, folder: Path, *layers: bytes, tags: tuple[str, ...] = ("app:1",)) -> None:
    path = folder / "some.tar"
    path.write_bytes(image(*layers, tags=tags).bytes())
    store.import_archive(path)


def documents_of(store: Store) -> dict[str, bytes]:
    with store.read() as connection:
        rows = connection.exec_driver_sql(
            "SELECT digest, bytes FROM document JOIN content ON id = content_id"
        )
        return {row[0]: row[1] for row in rows}


def position_of(store: Store) -> tuple[int, int]:
    with store.read() as connection:
        rows = connection.exec_driver_sql("SELECT name, seq FROM sqlite_sequence")
        found = {row[0]: row[1] for row in rows}
    return found["content"], found["reference_log"]


def test_an_import_is_recorded(store: Store, tmp_path: Path) -> None:
    put(store, tmp_path, A, B, tags=("app:1", "app:2"))
    assert log_documents(store.root) == documents_of(store)
    digest = str(store.inspect("app:1").manifests[0].digest)
    assert log_tags(store.root) == {(APP, "1"): digest, (APP, "2"): digest}
    assert ("held", (APP, digest, None)) in log_records(store.root)
    assert last_position(store.root) == position_of(store)


def test_a_removed_tag_is_recorded(store: Store, tmp_path: Path) -> None:
    put(store, tmp_path, A, tags=("app:1", "app:2"))
    store.untag("app:2")
    store.remove("app:1")
    assert log_tags(store.root) == {(APP, "1"): None, (APP, "2"): None}
    assert log_records(store.root)[-1][0] == "released"


def test_an_untagged_image_is_recorded_as_kept(store: Store, tmp_path: Path) -> None:
    put(store, tmp_path, A)
    digest = str(store.inspect("app:1").manifests[0].digest)
    store.untag("app:1")
    assert digest in [values[0] for kind, values in log_records(store.root) if kind == "kept"]
    store.tag(str(store.images()[0].image_id), "app:3")
    assert ("dropped", (digest,)) in log_records(store.root)


def test_a_unit_that_is_rolled_back_changes_no_names(store: Store, tmp_path: Path) -> None:
    put(store, tmp_path, A)
    before = log_path(store.root).read_bytes()

    class StopError(Exception):
        pass

    with pytest.raises(StopError), store.write() as connection:
        connection.exec_driver_sql("DELETE FROM reference")
        raise StopError
    assert log_path(store.root).read_bytes() == before


def test_a_unit_that_only_records_events_appends_nothing(store: Store, tmp_path: Path) -> None:
    put(store, tmp_path, A)
    before = log_path(store.root).read_bytes()
    with store.operation("save"):
        pass
    store.prune_events(keep=0)
    assert log_path(store.root).read_bytes() == before


def test_facts_of_a_long_unit_are_written_before_its_end(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document_log, "BLOCK_BYTES", 1)
    monkeypatch.setattr(document_log, "_SPILL_BYTES", 0)
    put(store, tmp_path, A)
    put(store, tmp_path, B, tags=("app:2",))
    assert log_documents(store.root) == documents_of(store)
    assert last_position(store.root) == position_of(store)
    assert len(log_tags(store.root)) == 2


@pytest.mark.parametrize("kept_bytes", [0, 1, 0.5, 0.9])
def test_what_the_log_lost_is_appended_by_the_next_unit(
    store: Store, tmp_path: Path, kept_bytes: float
) -> None:
    put(store, tmp_path, A)
    store.untag("app:1")
    put(store, tmp_path, A, B, tags=("app:2",))
    path = log_path(store.root)
    size = path.stat().st_size
    os.truncate(path, int(size * kept_bytes) if kept_bytes < 1 else 1)
    store.tag("app:2", "app:3")
    assert log_documents(store.root) == documents_of(store)
    digest = str(store.inspect("app:2").manifests[0].digest)
    tags = log_tags(store.root)
    assert tags.pop((APP, "1"), None) is None
    assert tags == {(APP, "2"): digest, (APP, "3"): digest}
    assert last_position(store.root) == position_of(store)


def test_a_store_without_a_log_gets_it_page_by_page(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        put(store, tmp_path, A, B, b"%d" % number * 600, tags=(f"app:{number}",))
    shutil.rmtree(store.root / "documents")
    monkeypatch.setattr(document_log, "PAGE_ROWS", 3)
    before = 0
    for number in range(12):
        store.tag("app:1", f"more:{number}")
        assert len(log_documents(store.root)) - before <= 3
        before = len(log_documents(store.root))
    assert log_documents(store.root) == documents_of(store)
    assert len(log_tags(store.root)) == 4 + 12
    assert last_position(store.root) == position_of(store)


def test_the_log_of_a_newer_catalogue_is_set_aside(store: Store, tmp_path: Path) -> None:
    put(store, tmp_path, A)
    shutil.copy(store.root / "store.db", tmp_path / "old.db")
    for suffix in ("-wal", "-shm"):
        if (store.root / f"store.db{suffix}").exists():
            shutil.copy(store.root / f"store.db{suffix}", tmp_path / f"old.db{suffix}")
    put(store, tmp_path, B, tags=("app:2",))
    newer = log_documents(store.root)
    store.close()
    for suffix in ("", "-wal", "-shm"):
        (store.root / f"store.db{suffix}").unlink(missing_ok=True)
        if (tmp_path / f"old.db{suffix}").exists():
            shutil.copy(tmp_path / f"old.db{suffix}", store.root / f"store.db{suffix}")
    with Store.open(store.root, clock=lambda: NOW) as again:
        again.tag("app:1", "app:3")
        assert log_documents(again.root) == documents_of(again)
    (aside,) = (path for path in (store.root / "documents").iterdir() if path.name != "log.zst")
    shutil.move(aside, log_path(store.root))
    assert log_documents(store.root) == newer


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_log_that_cannot_be_written_fails_no_change_and_warns_once(
    store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: int,
) -> None:
    put(store, tmp_path, A)
    size = log_path(store.root).stat().st_size
    real = os.write

    def fail(descriptor: int, data: bytes) -> int:
        if Path(f"/proc/self/fd/{descriptor}").readlink().name == "log.zst":
            real(descriptor, data[:10])
            raise OSError(error, os.strerror(error))
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", fail)
    put(store, tmp_path, B, tags=("app:2",))
    store.untag("app:1")
    assert log_path(store.root).stat().st_size == size
    assert len([one for one in caplog.records if "beside the catalogue" in one.message]) == 1
    monkeypatch.undo()
    store.tag("app:2", "app:4")
    assert log_documents(store.root) == documents_of(store)
    assert log_tags(store.root)[APP, "1"] is None


def test_a_symbolic_link_in_place_of_the_log_is_not_followed(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (store.root / "documents").mkdir(mode=0o700)
    log_path(store.root).symlink_to(victim)
    put(store, tmp_path, A)
    assert victim.read_bytes() == b"mine"
    assert "beside the catalogue" in caplog.text
