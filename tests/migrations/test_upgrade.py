"""Upgrades of the schema, applied to a store with many kinds of rows (docs/architecture.md)."""

from __future__ import annotations

import io
import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import exporter
from store import Store, errors
from store.db.schema import HEAD, REVISIONS
from store.db.sqlite import upgrade
from tests.support import old_stores
from tests.support.images import A, B, E, image
from tests.support.old_stores import NOW

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection

    from store.db.schema_state import UpgradeReport

GOLDEN = Path(__file__).parent.parent / "golden"
ARCHIVES = ("multi-layer.tar", "single-layer.tar", "parent-and-tags.tar", "untagged.tar")
EVERY = old_stores.revisions()


def saved(root: Path, names: list[str]) -> bytes:
    out = io.BytesIO()
    with Store.open(root, read_only=True) as store, exporter.open_save(store, names) as export:
        export.write(out)
    return out.getvalue()


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a store with real images, moved and removed names, and events about the names."""
    root = tmp_path_factory.mktemp("full") / "store"
    with Store.open(root, create=True, clock=lambda: NOW) as store:
        for name in ARCHIVES:
            store.import_archive(GOLDEN / name)
        store.import_archive(io.BytesIO(image(A, B, E, tags=("app:1", "app:2")).bytes()))
        store.import_archive(io.BytesIO(image(B, tags=("app:2",)).bytes()))
        store.import_archive(io.BytesIO(image(A, author="gone", tags=("gone:1",)).bytes()))
        store.tag("app:1", "other/name:x")
        store.untag("app:2")
        store.remove("gone:1")
        store.collect()
        assert not list(store.fsck())
    return root


@pytest.fixture(scope="session")
def names(full: Path) -> list[str]:
    with Store.open(full, read_only=True) as store:
        return [str(one.image_id) for one in store.images()] + [
            tag.reference.familiar for one in store.images() for tag in one.references
        ]


def test_the_code_knows_every_revision_and_ends_where_the_history_ends() -> None:
    assert list(REVISIONS) == EVERY
    assert EVERY[-1] == HEAD


def test_the_migrations_build_what_the_models_say(store: Store, root: Path) -> None:
    del store
    assert Store.check_schema(root) == ()
    assert Store.schema_state(root).is_current


def test_drift_is_noticed(store: Store, root: Path) -> None:
    with store.write() as connection:
        connection.exec_driver_sql("ALTER TABLE event ADD COLUMN colour TEXT")
    (difference,) = Store.check_schema(root)
    assert "colour" in difference


@pytest.mark.parametrize("revision", EVERY)
def test_a_store_of_any_age_is_upgraded_with_all_its_content(
    revision: str, full: Path, names: list[str], tmp_path: Path
) -> None:
    root = old_stores.older_store(full, tmp_path / "old", revision, tmp_path / "scripts")
    before = old_stores.rows(root / "store.db")
    assert Store.schema_state(root).current == revision
    with Store.open(root, clock=lambda: NOW) as store:
        assert not list(store.fsck())
        assert Store.check_schema(root) == ()
        assert {str(one.image_id) for one in store.images()} == {
            name for name in names if name.startswith("sha256:")
        }
    after = old_stores.rows(root / "store.db")
    assert {table: after[table] for table in before} == before
    assert all(saved(root, [name]) == saved(full, [name]) for name in names)
    with Store.open(root) as store:
        # Known content is recognised in the upgraded store, and new content is added.
        assert not store.import_archive(GOLDEN / "multi-layer.tar").new_images
        assert store.import_archive(io.BytesIO(image(E, tags=("new:1",)).bytes())).new_images == 1
        store.collect(dangling=True)
        assert not list(store.fsck())


@pytest.mark.parametrize("revision", EVERY[:-1])
def test_an_upgrade_first_copies_the_database_with_its_log(
    revision: str, full: Path, tmp_path: Path
) -> None:
    root = old_stores.older_store(full, tmp_path / "old", revision, tmp_path / "scripts")
    with closing(sqlite3.connect(root / "store.db", isolation_level=None)) as writer:
        writer.execute("INSERT INTO label SELECT id, 'in the log', 'yes' FROM content LIMIT 1")
        assert (root / "store.db-wal").stat().st_size
        before = old_stores.dump(root / "store.db")
        report = Store.upgrade(root, clock=lambda: NOW)
    assert (report.before, report.after) == (revision, HEAD)
    assert report.backup == root / f"store.db.{revision}-20260101T000000Z.bak"
    assert old_stores.dump(report.backup) == before
    # The copy is a complete database.
    (tmp_path / "restored").mkdir()
    report.backup.rename(tmp_path / "restored" / "store.db")
    assert Store.upgrade(tmp_path / "restored").before == revision


def test_the_copy_is_durable_with_its_name_before_the_database_changes(
    full: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = old_stores.older_store(full, tmp_path / "old", EVERY[0], tmp_path / "scripts")
    seen: list[list[str]] = []
    fsync, migrating = os.fsync, upgrade._migrating

    def note(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink() == root:
            seen.append([path.name for path in root.glob("*.bak")])
        fsync(descriptor)

    def begin(root: Path, wait_limit_s: float) -> AbstractContextManager[Connection]:
        assert seen[-1:] == [[f"store.db.{EVERY[0]}-20260101T000000Z.bak"]]
        return migrating(root, wait_limit_s)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(upgrade, "_migrating", begin)
    Store.upgrade(root, clock=lambda: NOW)
    assert Store.schema_state(root).is_current


def test_a_copy_that_an_upgrade_left_is_removed(
    full: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = old_stores.older_store(full, tmp_path / "old", EVERY[0], tmp_path / "scripts")
    for name in ("partial", "partial-journal"):
        (root / f"store.db.{EVERY[0]}-20251231T235959Z.bak.{name}").touch()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(5, "no such luck")))
        with pytest.raises(errors.Unavailable):
            Store.upgrade(root, clock=lambda: NOW)
    assert [path.name for path in root.glob("*.bak*")] == []
    assert Store.upgrade(root, clock=lambda: NOW).after == HEAD
    assert [path.suffix for path in root.glob("*.bak*")] == [".bak"]


def test_an_upgrade_that_has_nothing_to_do_leaves_no_copy(store: Store, root: Path) -> None:
    del store
    report = Store.upgrade(root)
    assert (report.before, report.after, report.backup) == (HEAD, HEAD, None)
    assert not list(root.glob("*.bak"))


@pytest.mark.parametrize("revision", EVERY[:-1])
def test_two_programs_upgrade_once(revision: str, full: Path, tmp_path: Path) -> None:
    root = old_stores.older_store(full, tmp_path / "old", revision, tmp_path / "scripts")
    reports: list[UpgradeReport] = []
    together = [
        threading.Thread(target=lambda: reports.append(Store.upgrade(root))) for _ in range(2)
    ]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    assert sorted(report.backup is None for report in reports) == [False, True]
    assert Store.schema_state(root).is_current


BREAKAGES = {
    "a fault in the migration": ('raise RuntimeError("half way")',),
    "a statement the database refuses": (
        'op.execute("DELETE FROM label")',
        'op.execute("INSERT INTO nowhere VALUES (1)")',
    ),
    "rows left dangling": ("""op.execute("INSERT INTO label VALUES (987654321, 'k', 'v')")""",),
}


@pytest.mark.parametrize("breakage", BREAKAGES)
@pytest.mark.parametrize(("before", "broken"), list(zip([None, *EVERY], EVERY, strict=False)))
def test_a_failing_migration_rolls_back_whole(
    breakage: str, before: str | None, broken: str, full: Path, tmp_path: Path
) -> None:
    if before is None:
        root = tmp_path / "old"
        root.mkdir()
        sqlite3.connect(root / "store.db").close()
    else:
        root = old_stores.older_store(full, tmp_path / "old", before, tmp_path / "until")
    was = old_stores.dump(root / "store.db")
    scripts = old_stores.copy_scripts(tmp_path / "scripts")
    old_stores.extend(old_stores.script(scripts, broken), *BREAKAGES[breakage])
    with pytest.raises((RuntimeError, sqlite3.OperationalError, errors.IntegrityError)):
        upgrade.upgrade(root, now=lambda: NOW, scripts=scripts)
    assert old_stores.dump(root / "store.db") == was
    backups = list(root.glob("*.bak"))
    assert [old_stores.dump(backup) for backup in backups] == ([] if before is None else [was])
    # A program with a working migration can still upgrade the store.
    upgrade.upgrade(root, now=lambda: NOW)
    assert Store.schema_state(root).is_current
    if before is not None:
        with Store.open(root) as store:
            assert not list(store.fsck())


REBUILD = (
    "with op.batch_alter_table('content', recreate='always') as batch:",
    "    batch.add_column(sa.Column('note', sa.Text()))",
)


def test_rebuilding_a_parent_table_deletes_no_children(full: Path, tmp_path: Path) -> None:
    """With foreign keys enforced, dropping the old table would delete the rows of its children."""
    root = old_stores.older_store(full, tmp_path / "old", EVERY[0], tmp_path / "until")
    before = old_stores.rows(root / "store.db")
    scripts = old_stores.copy_scripts(tmp_path / "scripts")
    future = old_stores.add_revision(scripts, *REBUILD)
    upgrade.upgrade(root, now=lambda: NOW, scripts=scripts)
    after = old_stores.rows(root / "store.db")
    assert {table: after[table] for table in before if table != "content"} == {
        table: found for table, found in before.items() if table != "content"
    }
    assert len(after["content"]) == len(before["content"])
    # A program that does not know this revision refuses to open the store.
    with pytest.raises(errors.SchemaMismatch, match=future):
        Store.open(root)


def test_a_rebuilt_table_comes_back_when_a_later_step_fails(full: Path, tmp_path: Path) -> None:
    root = old_stores.older_store(full, tmp_path / "old", EVERY[0], tmp_path / "until")
    before = old_stores.dump(root / "store.db")
    scripts = old_stores.copy_scripts(tmp_path / "scripts")
    old_stores.add_revision(scripts, *REBUILD, 'raise RuntimeError("half way")')
    with pytest.raises(RuntimeError, match="half way"):
        upgrade.upgrade(root, now=lambda: NOW, scripts=scripts)
    assert old_stores.dump(root / "store.db") == before


def test_a_newer_store_is_refused_and_left_alone(store: Store, root: Path) -> None:
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    before = old_stores.dump(root / "store.db")
    for act in (
        lambda: Store.open(root),
        lambda: Store.open(root, create=True),
        lambda: Store.open(root, read_only=True),
        lambda: Store.upgrade(root),
    ):
        with pytest.raises(errors.SchemaMismatch, match="9999"):
            act()
    assert old_stores.dump(root / "store.db") == before
    assert not list(root.glob("*.bak"))


def test_an_older_store_that_cannot_be_written_is_not_read(full: Path, tmp_path: Path) -> None:
    root = old_stores.older_store(full, tmp_path / "old", EVERY[0], tmp_path / "scripts")
    with pytest.raises(errors.ReadOnlyStore, match=EVERY[0]):
        Store.open(root, read_only=True)
    assert Store.schema_state(root).current == EVERY[0]


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        connection.execute("CREATE TABLE mine (x)")
    for act in (lambda: Store.open(tmp_path), lambda: upgrade.upgrade(tmp_path, now=lambda: NOW)):
        with pytest.raises(errors.SchemaMismatch, match="another program"):
            act()
    (tmp_path / "store.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(errors.IntegrityError):
        Store.open(tmp_path)


def test_tables_of_another_revision_are_a_sentence(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from storectl import cli

    Store.open(root, create=True).close()
    with closing(sqlite3.connect(root / "store.db")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
        connection.commit()
    assert cli.run(["--root", str(root), "images"]) == 5
    said = capfd.readouterr().err
    assert "cannot upgrade the catalogue from revision 0001: " in said
    assert "internal error" not in said
