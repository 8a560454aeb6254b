"""Rows as they are stored, for fsck to check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog.checking import raw_rows
from store.catalog.checking.raw_rows import Range
from store.catalog.documents import put_documents
from store.model.contents import ContentState
from store.model.digests import ChainID, DiffID, Digest
from tests.support.catalog_rows import AMD64, named

if TYPE_CHECKING:
    import pytest

    from tests.support.catalog_rows import Rows

ALL = Range(0, 1000)


def test_a_range_has_few_rows_and_few_bytes(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abcde":
        rows.content(name)
    monkeypatch.setattr(raw_rows, "RANGE", 3)
    assert raw_rows.next_range(rows.connection, "content", -5) == Range(-5, 3)
    assert raw_rows.next_range(rows.connection, "content", 4) == Range(4, 5)
    assert raw_rows.next_range(rows.connection, "content", 6) is None
    large = {Digest.of(data): data for data in (b"x" * 60, b"y" * 60)}
    first, second = put_documents(rows.connection, large).values()
    monkeypatch.setattr(raw_rows, "_RANGE_BYTES", 100)
    assert raw_rows.next_range(rows.connection, "document", 0) == Range(0, first)
    assert raw_rows.next_range(rows.connection, "document", first + 1) == Range(first + 1, second)
    assert raw_rows.next_range(rows.connection, "content", first) == Range(first, first)


def test_stored_bytes_are_counted_once(rows: Rows) -> None:
    rows.blob("file", 3)
    rows.content("decoded", 100)
    put_documents(rows.connection, {Digest.of(b"inline"): b"inline"})
    assert raw_rows.stored_bytes(rows.connection) == (2, 9)


def test_documents_and_blobs_come_with_what_they_decode_to(rows: Rows) -> None:
    digest = Digest.of(b"inline")
    put_documents(rows.connection, {digest: b"inline"})
    (document,) = raw_rows.documents(rows.connection, ALL)
    assert tuple(document)[1:] == (str(digest), 6, "present", b"inline")
    stored = rows.blob("file", 3)
    rows.encoding(rows.content("decoded", 100), stored)
    (blob,) = raw_rows.blobs(rows.connection, ALL)
    assert tuple(blob) == (stored, str(named("file")), 3, "present")
    ((encoding,),) = raw_rows.encodings(rows.connection, ALL).values()
    assert tuple(encoding) == (stored, str(named("decoded")), 100, "gzip", 0, 1, 1)
    assert raw_rows.encodings(rows.connection, Range(stored + 1, 1000)) == {}


def test_layers_come_with_their_parents_and_images_with_their_top(rows: Rows) -> None:
    rows.image("app", "a", "b")
    rows.image("scratch")
    base, top = ChainID.each([DiffID(named("a")), DiffID(named("b"))])
    found = {
        row.depth: (row.chain_id, row.parent_chain, row.parent_depth, row.diff)
        for row in raw_rows.layers(rows.connection, ALL)
    }
    assert found == {
        1: (str(base), None, None, str(named("a"))),
        2: (str(top), str(base), 1, str(named("b"))),
    }
    assert {row.digest: row.chain_id for row in raw_rows.images(rows.connection, ALL)} == {
        str(named("app")): str(top),
        str(named("scratch")): None,
    }


def test_manifests_come_with_their_links_in_order(rows: Rows) -> None:
    key = rows.manifest("m", rows.image("app"), blobs=("z", "a"))
    index = rows.index("index", ("m", AMD64))
    found = {row.id: row for row in raw_rows.manifests(rows.connection, ALL)}
    assert found[key].image == str(named("app"))
    assert (found[index].image, found[index].kind) == (None, "index")
    edges = raw_rows.edges(rows.connection, ALL)
    assert [(one.role, one.position, one.digest) for one in edges[key]] == [
        ("layer", 0, str(named("z"))),
        ("layer", 1, str(named("a"))),
    ]
    assert [one.digest for one in edges[index]] == [str(named("m"))]
    assert raw_rows.labels(rows.connection, ALL) == {}
    assert raw_rows.served_types(rows.connection, ALL) == {}


def test_names_come_with_the_last_entry_of_the_log(rows: Rows) -> None:
    rows.tag("demo:1", rows.manifest("m", rows.image("app")))
    rows.tag("demo:1", rows.manifest("n", rows.image("other")))
    (row,) = raw_rows.references(rows.connection, ALL)
    assert (row.name, row.tag) == ("docker.io/library/demo", "1")
    assert row.digest == row.logged_digest == str(named("n"))
    assert row.tagged_at == row.logged_at
    (repository,) = raw_rows.repositories(rows.connection, ALL)
    assert repository.name == row.name
    assert raw_rows.kept_and_named(rows.connection) == []


def test_states_that_contradict_the_stored_forms(rows: Rows) -> None:
    rows.content("lost")
    rows.content("absent", None, ContentState.ABSENT)
    rows.encoding(rows.content("decoded"), rows.blob("file"))
    rows.blob("odd")
    rows.connection.exec_driver_sql(
        "UPDATE content SET state = 'absent' WHERE digest = ?", (str(named("odd")),)
    )
    assert dict(raw_rows.wrong_states(rows.connection)) == {
        str(named("lost")): False,
        str(named("odd")): True,
    }


def test_images_are_affected_by_their_layers_and_what_these_are_decoded_from(rows: Rows) -> None:
    app = rows.image("app", "base", "top")
    rows.image("untagged", "base")
    rows.tag("demo:1", rows.manifest("m", app))
    rows.encoding(rows.content("base"), rows.blob("base.gz"))
    both = ("docker.io/library/demo:1", str(named("untagged")))

    def affected(name: str) -> tuple[str, ...]:
        return raw_rows.affected(rows.connection, str(named(name)))

    assert affected("base") == affected("base.gz") == both
    assert affected("top") == affected("app") == affected("m") == both[:1]
    assert affected("unknown") == ()


def test_parents_and_digests_by_row_number(rows: Rows) -> None:
    one, two = rows.image("one"), rows.image("two")
    rows.connection.exec_driver_sql(
        "UPDATE image SET parent_id = ? WHERE content_id = ?", (one, two)
    )
    assert raw_rows.parents(rows.connection) == {two: one}
    assert raw_rows.digest_of(rows.connection, one) == str(named("one"))
    assert raw_rows.digest_of(rows.connection, 999) is None
