from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from store import Store
from store.backup import snapshot
from store.backup.snapshot import affected, held, require_kept
from store.errors import StorageFull, StoreBusy, Unavailable
from store.model.digests import Digest

if TYPE_CHECKING:
    from pathlib import Path

TABLES = ("operation", "lease", "upload", "condemned")


def rows(database: Path, table: str) -> int:
    with closing(sqlite3.connect(database)) as connection:
        (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - constants
    return int(count)


def test_the_copy_has_everything_except_running_work(filled: Store, tmp_path: Path) -> None:
    with held(filled, tmp_path / "copy.db", lambda *_: True) as found:
        assert rows(filled.root / "store.db", "operation") == 1
        assert rows(filled.root / "store.db", "lease") == len(found.blobs) == 2
        assert found.images == 2
    assert {table: rows(tmp_path / "copy.db", table) for table in TABLES} == dict.fromkeys(
        TABLES, 0
    )
    assert rows(tmp_path / "copy.db", "reference") == 2
    assert rows(filled.root / "store.db", "operation") == 0
    assert not (tmp_path / "copy.db-wal").exists()


def test_content_is_not_collected_while_it_is_copied(filled: Store, tmp_path: Path) -> None:
    with held(filled, tmp_path / "copy.db", lambda *_: True) as found:
        for name in ("a:1", "ab:1"):
            filled.remove(name)
        filled.collect()
        assert {digest for digest, _ in found.blobs} == set(filled.blobs.digests())
    assert len(filled.collect().blobs) == 2


def test_content_that_vanishes_before_its_lease_needs_a_new_copy(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ungated, calls = Store.write_catalogue_copy, []

    def write(self: Store, unit: object, target: Path) -> None:
        ungated(self, unit, target)  # type: ignore[arg-type]
        calls.append(target)
        if len(calls) == 1:
            self.remove("ab:1")
            self.collect()

    monkeypatch.setattr(Store, "write_catalogue_copy", write)
    with held(filled, tmp_path / "copy.db", lambda *_: True) as found:
        assert {digest for digest, _ in found.blobs} == set(filled.blobs.digests())
        assert (len(calls), len(found.blobs), found.images) == (2, 1, 1)
    assert rows(tmp_path / "copy.db", "image") == 1


def test_a_store_that_never_rests_is_busy(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ungated = Store.write_catalogue_copy

    def write(self: Store, unit: object, target: Path) -> None:
        ungated(self, unit, target)  # type: ignore[arg-type]
        self.remove("ab:1")
        self.collect()

    monkeypatch.setattr(Store, "write_catalogue_copy", write)
    monkeypatch.setattr(snapshot, "_ATTEMPTS", 1)
    with pytest.raises(StoreBusy), held(filled, tmp_path / "copy.db", lambda *_: True):
        pass
    assert rows(filled.root / "store.db", "operation") == 0


def test_only_needed_blobs_are_leased(filled: Store, tmp_path: Path) -> None:
    with held(filled, tmp_path / "copy.db", lambda *_: False) as found:
        assert len(found.blobs) == 2
        assert rows(filled.root / "store.db", "lease") == 0


def test_a_full_or_read_only_store_is_copied_without_leases(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        Store.open(filled.root, read_only=True) as reader,
        held(reader, tmp_path / "copy.db", lambda *_: True) as found,
    ):
        assert len(found.blobs) == 2

    def full(*_: object) -> None:
        raise StorageFull("full")

    monkeypatch.setattr(Store, "operation", full)
    with held(filled, tmp_path / "copy.db", lambda *_: True) as found:
        assert len(found.blobs) == 2


def test_a_missing_file_is_lost_or_collected(filled: Store) -> None:
    digest = next(iter(filled.blobs.digests()))
    require_kept(filled, digest)
    assert affected(filled, digest)
    with pytest.raises(Unavailable, match="garbage collection"):
        require_kept(filled, Digest.of(b"other"))
