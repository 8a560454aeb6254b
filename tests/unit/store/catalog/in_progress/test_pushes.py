"""The hot path of a push: new content, and what a repository holds."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from store.catalog import content, repositories, serving
from store.catalog.documents import DocumentRow, put_documents
from store.catalog.in_progress import pushes
from store.model.contents import ContentState
from store.model.digests import Digest
from store.model.references import Repository
from tests.support.catalog_rows import NOW, named

if TYPE_CHECKING:
    from tests.support.catalog_rows import Rows

APP, OTHER = Repository("docker.io", "team/app"), Repository("docker.io", "team/other")
ABSENT = ContentState.ABSENT


def held(rows: Rows, name: Repository, digests: list[Digest]) -> dict[Digest, pushes.KnownContent]:
    known = pushes.known_content(rows.connection, name, digests)
    return {digest: one for digest, one in known.items() if one.is_held}


def test_a_file_is_added_only_if_its_digest_has_no_row(rows: Rows) -> None:
    known = rows.content("known", None, ABSENT)
    assert not pushes.is_recorded(rows.connection, named("file"))
    key = pushes.add_blob(rows.connection, named("file"), 3, NOW)
    assert key is not None
    assert content.find(rows.connection, [named("file")])[named("file")].key == key
    assert content.published_at(rows.connection, [named("file")]) == {named("file"): NOW}
    assert pushes.is_recorded(rows.connection, named("file"))
    assert pushes.add_blob(rows.connection, named("file"), 3, NOW) is None
    assert pushes.add_blob(rows.connection, named("known"), 3, NOW) is None
    found = content.find(rows.connection, [named("known")])[named("known")]
    assert (found.key, found.state) == (known, ABSENT)


def test_a_new_blob_is_held_by_a_repository_that_is_made_if_it_is_missing(rows: Rows) -> None:
    for name in ("first", "second"):
        key = rows.blob(name)
        pushes.hold_new_blob(rows.connection, APP, key, NOW)
    found = held(rows, APP, [named("first"), named("second"), named("unknown")])
    assert set(found) == {named("first"), named("second")}
    assert all(one.is_fresh and one.file_at == NOW for one in found.values())
    assert not any(one.is_inline for one in found.values())
    assert not repositories.is_quiet(rows.connection, APP, NOW - timedelta(seconds=1))
    assert held(rows, OTHER, [named("first")]) == {}
    serving.hold_pushed(
        rows.connection,
        serving.ensure_repositories(rows.connection, (APP,))[APP],
        [one.key for one in found.values()],
    )
    again = held(rows, APP, [named("first")])
    assert not again[named("first")].is_fresh


def test_bytes_are_read_only_of_the_documents_that_are_asked_for(rows: Rows) -> None:
    texts = {Digest.of(data): data for data in (b"one", b"two")}
    put_documents(rows.connection, texts)
    first, second = texts
    absent = named("absent")
    rows.content("absent", None, ABSENT)
    known = pushes.known_content(
        rows.connection, APP, [second, absent, named("unknown")], documents=[first]
    )
    assert known.keys() == {first, second, absent}
    assert (known[first].data, known[second].data) == (b"one", None)
    assert all(known[digest].is_inline and known[digest].is_present for digest in texts)
    assert not any(one.is_listed or one.is_held or one.is_encoding for one in known.values())
    assert known[absent].row == DocumentRow(known[absent].key, ABSENT, None)


def test_a_blob_that_decodes_to_a_layer_is_an_encoding(rows: Rows) -> None:
    rows.encoding(rows.content("plain"), rows.blob("squeezed"))
    known = pushes.known_content(rows.connection, APP, [named("plain"), named("squeezed")])
    assert {digest for digest, one in known.items() if one.is_encoding} == {named("squeezed")}
