from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from store.db.changes import Position
from store.documents.blocks import BlockWriter, Mark, mark
from store.documents.records import encode
from store.model.references import Reference
from store.rescue import recorded
from tests.support.catalog_rows import named
from tests.support.document_logs import log_path

if TYPE_CHECKING:
    from pathlib import Path

    from store.db.changes import Value
    from store.model.digests import Digest
    from store.rescue.recorded import Recorded

A, B = str(named("a")), str(named("b"))
APP = "docker.io/library/app"
TIME = "2026-01-02T03:04:05.000000Z"
MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def read(root: Path, *rows: tuple[str, tuple[Value, ...]]) -> tuple[Recorded, dict[Digest, bytes]]:
    log_path(root).parent.mkdir(exist_ok=True)
    data = b"".join(encode(kind, values) for kind, values in rows)
    end = mark(Mark(Position(1, 1), int(MOMENT.timestamp() * 1_000_000)))
    log_path(root).write_bytes(BlockWriter().block(data) + end)
    documents: dict[Digest, bytes] = {}
    return recorded.read(root, documents.update), documents


def test_later_records_replace_earlier_ones(tmp_path: Path) -> None:
    found, _ = read(
        tmp_path,
        ("tag", (APP, "1", A, TIME)),
        ("tag", (APP, "2", A, TIME)),
        ("tag", (APP, "1", B, TIME)),
        ("tag", (APP, "2", None, None)),
        ("held", (APP, A, "a/b")),
        ("held", (APP, B, None)),
        ("released", (APP, A)),
        ("kept", (A, TIME)),
        ("kept", (B, TIME)),
        ("dropped", (A,)),
        ("parent", (A, B)),
        ("parent", (B, A)),
        ("parent", (A, None)),
        ("source", (A, B, "{}")),
        ("manifest", (A, "a/b")),
    )
    a, b = named("a"), named("b")
    assert found.tags == {Reference.parse("app:1"): (b, MOMENT)}
    assert found.held == {APP: {b: None}}
    assert found.kept == {b: MOMENT}
    assert found.parents == {b: a}
    assert list(found.sources) == [(a, b, "{}")]
    assert found.manifests == {a: "a/b"}
    assert (found.until, found.gaps) == (MOMENT, 0)


def test_only_documents_with_their_digest_are_used(tmp_path: Path) -> None:
    found, documents = read(
        tmp_path, ("document", (A, b"a")), ("document", (B, b"x")), ("document", (A, b"a"))
    )
    assert documents == {named("a"): b"a"}
    assert found.documents == {named("a")}
    assert found.bad_documents == 1


@pytest.mark.parametrize(
    "row",
    [
        ("tag", ("../../etc", "1", A, TIME)),
        ("tag", (APP, "../x", A, TIME)),
        ("tag", (APP, "1", "sha256:x", TIME)),
        ("tag", (APP, "1", A, "yesterday")),
        ("tag", (APP, None, A, TIME)),
        ("held", ("app", A, None)),
        ("kept", (A, None)),
        ("document", ("md5:x", b"x")),
    ],
)
def test_a_record_that_this_program_does_not_write_is_a_gap(
    tmp_path: Path, row: tuple[str, tuple[Value, ...]]
) -> None:
    found, documents = read(tmp_path, row, ("kept", (A, TIME)))
    assert found.gaps == 1
    assert (found.tags, found.held, documents) == ({}, {}, {})
    assert found.kept == {named("a"): MOMENT}


def test_a_damaged_block_is_a_gap_and_a_torn_end_is_not(tmp_path: Path) -> None:
    read(tmp_path, ("kept", (A, TIME)))
    data = log_path(tmp_path).read_bytes()
    log_path(tmp_path).write_bytes(data + data[:-5])
    assert recorded.read(tmp_path, lambda _: None).gaps == 0
    log_path(tmp_path).write_bytes(data[:50] + b"\0" + data[51:] + data)
    found = recorded.read(tmp_path, lambda _: None)
    assert found.gaps == 1
    assert found.gap_bytes > 0


def test_a_store_may_have_no_log(tmp_path: Path) -> None:
    found = recorded.read(tmp_path, lambda _: None)
    assert not found.has_log
    assert found.until is None


def set_aside(root: Path, name: str, *rows: tuple[str, tuple[Value, ...]]) -> None:
    read(root, *rows)
    log_path(root).rename(log_path(root).with_name(name))


def test_a_log_that_was_set_aside_has_documents_and_no_names(tmp_path: Path) -> None:
    older = ("tag", (APP, "1", A, TIME)), ("manifest", (A, "a/b")), ("document", (A, b"a"))
    set_aside(tmp_path, "log.20260101T000000Z.zst", *older, ("kept", (A, TIME)))
    found, documents = read(tmp_path, ("tag", (APP, "2", B, TIME)), ("document", (B, b"b")))
    assert found.tags == {Reference.parse("app:2"): (named("b"), MOMENT)}
    assert found.kept == {}
    assert found.manifests == {named("a"): "a/b"}
    assert documents == {named("a"): b"a", named("b"): b"b"}


def test_names_of_the_last_log_that_was_set_aside_count_if_there_is_no_other(
    tmp_path: Path,
) -> None:
    set_aside(tmp_path, "log.20260102T000000Z.zst", ("tag", (APP, "2", B, TIME)))
    set_aside(tmp_path, "log.20260101T000000Z.zst", ("tag", (APP, "1", A, TIME)))
    found = recorded.read(tmp_path, lambda _: None)
    assert found.has_log
    assert found.tags == {Reference.parse("app:2"): (named("b"), MOMENT)}
    assert found.gaps == 0
    log_path(tmp_path).write_bytes(b"damaged")
    found = recorded.read(tmp_path, lambda _: None)
    assert found.tags == {Reference.parse("app:2"): (named("b"), MOMENT)}
    assert (found.gaps, found.gap_bytes) == (1, len(b"damaged"))


def test_damage_of_a_log_that_was_set_aside_is_not_a_gap(tmp_path: Path) -> None:
    set_aside(tmp_path, "log.20260101T000000Z.zst", ("document", (A, b"x")))
    path = log_path(tmp_path).with_name("log.20260101T000000Z.zst")
    path.write_bytes(b"damaged" + path.read_bytes())
    found, _ = read(tmp_path, ("kept", (A, TIME)))
    assert (found.gaps, found.bad_documents) == (0, 0)
