"""Rows that can be derived: each wrong row is written again from documents and files."""

from __future__ import annotations

import io
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from store.maintenance.reports import Finding, Severity
from store.model.digests import Digest
from store.model.progress import Silent
from store.repair.rows import DAMAGED_CATALOGUE, Rebuilt, Rows
from store.repair.run import Repair, RepairOptions
from tests.support.images import A, B, E
from tests.support.layouts import Layout, gzip
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from store import Store

WRONG = {
    "content": "UPDATE content SET size_bytes = size_bytes + 1 WHERE id IN (SELECT id FROM content"
    " JOIN blob ON content_id = id LIMIT 1)",
    "layer": "UPDATE layer SET chain_id = replace(chain_id, substr(chain_id, 60), '000000000000')"
    " WHERE depth = 2",
    "diff of a layer": "UPDATE layer SET diff_id = (SELECT diff_id FROM layer WHERE depth = 1)"
    " WHERE depth = 2",
    "image": "UPDATE image SET top_layer_id = (SELECT id FROM layer WHERE depth = 1)",
    "links": "DELETE FROM manifest_edge WHERE role = 'layer' AND position = 1",
    "other links": "UPDATE manifest_edge SET content_id = (SELECT min(id) FROM content)"
    " WHERE role = 'layer' AND position = 0",
}


def dump(store: Store) -> list[str]:
    with closing(sqlite3.connect(store.root / "store.db")) as connection:
        return [
            line
            for table in ("content", "image", "manifest", "manifest_edge", "label", "encoding")
            for line in sorted(
                map(str, connection.execute(f"SELECT * FROM {table}"))  # noqa: S608 - a constant
            )
        ]


@pytest.fixture
def filled(store: Store) -> Store:
    put_image(store, A, B, tags=("x:1",), labels={"stage": "prod"})
    put_image(store, A, B, E, tags=("y:1",))
    layout = Layout()
    one = layout.image(gzip(A), gzip(B), annotations={"made": "today"})
    index = layout.index(one, layout.absent("linux/arm64"))
    layout.root(index, "docker.io/team/app:1")
    layout.root(layout.artifact(b"signature", subject=index))
    store.import_archive(io.BytesIO(layout.tar()))
    return store


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_rows_are_derived_again(filled: Store, kind: str) -> None:
    before = dump(filled)
    with filled.write() as connection:
        connection.exec_driver_sql(WRONG[kind])
    tried = Repair(filled, RepairOptions(dry_run=True), Silent())
    list(tried.run())
    assert tried.report.rebuilt
    assert tried.report.left == []
    repair = Repair(filled, RepairOptions(), Silent())
    assert list(repair.run())
    assert repair.report.rebuilt
    assert repair.report.left == []
    assert list(filled.fsck()) == []
    if "layer" not in kind:
        assert dump(filled) == before


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("image", "UPDATE image SET architecture = 'vax', created_s = 1"),
        ("label", "DELETE FROM label"),
        ("manifest", "UPDATE manifest SET subject_id = NULL, artifact_type = 'x'"),
        ("manifest_edge", "UPDATE manifest_edge SET media_type = 'x', platform = NULL"),
    ],
)
def test_facts_of_documents_are_written_again(filled: Store, table: str, statement: str) -> None:
    before = dump(filled)
    with filled.write() as connection:
        connection.exec_driver_sql(statement)
    with closing(sqlite3.connect(filled.root / "store.db")) as raw:
        digests = [
            Digest.parse(one)
            for (one,) in raw.execute(
                "SELECT digest FROM content WHERE id IN (SELECT content_id FROM image UNION SELECT"
                " content_id FROM manifest)"
            )
        ]
    findings = [
        Finding(Severity.ERROR, "wrong", str(one), "", digest=one, table=table) for one in digests
    ]
    assert Rows(filled, findings).rebuild()
    assert dump(filled) == before


def test_an_encoding_in_doubt_is_not_trusted(filled: Store) -> None:
    with closing(sqlite3.connect(filled.root / "store.db")) as raw:
        ((text,),) = raw.execute(
            "SELECT digest FROM content JOIN encoding ON stored_id = id WHERE ours LIMIT 1"
        )
    digest = Digest.parse(text)
    finding = Finding(Severity.WARNING, "w", text, "", digest=digest, table="encoding")
    assert Rows(filled, [finding]).rebuild() == [Rebuilt("encoding", digest)]
    with filled.read() as connection:
        flags = connection.exec_driver_sql(
            "SELECT ours, checked, seekable FROM encoding JOIN content ON id = stored_id"
            " WHERE digest = ?",
            (text,),
        ).one()
    assert tuple(flags) == (0, 0, 0)
    assert list(filled.fsck()) == []


def test_a_wrong_size_of_a_layer_is_measured_by_decoding(filled: Store) -> None:
    digest = Digest.of(A)
    with filled.write() as connection:
        connection.exec_driver_sql(
            "UPDATE content SET size_bytes = 1 WHERE digest = ?", (str(digest),)
        )
    finding = Finding(Severity.ERROR, "wrong-size", "", "", digest=digest, table="content")
    assert Rows(filled, [finding]).rebuild() == [Rebuilt("content", digest)]
    assert filled.sources((digest,))[digest].size_bytes == len(A)


def test_the_indexes_are_built_again_from_the_rows(filled: Store) -> None:
    with closing(sqlite3.connect(filled.root / "store.db", isolation_level=None)) as raw:
        raw.execute("PRAGMA writable_schema = ON")
        raw.execute(
            "UPDATE sqlite_master SET sql = 'CREATE INDEX ix_label_key_value ON label (key)'"
            " WHERE name = 'ix_label_key_value'"
        )
    with closing(sqlite3.connect(filled.root / "store.db", isolation_level=None)) as raw:
        raw.execute("INSERT INTO label SELECT id, 'new', 'one' FROM content LIMIT 1")
        raw.execute("PRAGMA writable_schema = ON")
        raw.execute(
            "UPDATE sqlite_master SET sql = 'CREATE INDEX ix_label_key_value ON label (key, value)'"
            " WHERE name = 'ix_label_key_value'"
        )
    with closing(sqlite3.connect(filled.root / "store.db")) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() != ("ok",)
    finding = Finding(Severity.ERROR, DAMAGED_CATALOGUE, "store.db", "", table="label")
    filled.close()
    assert Rows(filled, [finding]).rebuild() == [Rebuilt("indexes", None)]
    with closing(sqlite3.connect(filled.root / "store.db")) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
