"""Whole imports: their options, their leases, and dry runs."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from store import ImportOptions, Store
from store.importing.importer import _Holdings
from store.model.digests import DiffID, Digest
from tests.support.images import A, B, config, image
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from sqlalchemy import Connection

    from store.db.database import Durability
    from store.workspace.operations import Operation


def leased(store: Store) -> int:
    from sqlalchemy import func, select

    from store.db.schema import lease

    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(lease)).scalar_one()


@pytest.mark.parametrize("kind", ["file", "pipe", "folder"])
def test_a_dry_run_reports_what_an_import_would_do_and_changes_nothing(
    store: Store, tmp_path: Path, kind: str
) -> None:
    layout = Layout()
    layout.root(layout.image(A, gzip(B)), "docker.io/library/app:1")
    path = tmp_path / "input"
    if kind == "folder":
        layout.folder(path)
    else:
        path.write_bytes(layout.tar())
    source = io.BytesIO(layout.tar()) if kind == "pipe" else path
    dry = store.import_archive(source, ImportOptions(dry_run=True))
    assert not store.images()
    assert [one for one in (store.root / "blobs").rglob("*") if one.is_file()] == []
    assert list((store.root / "staging").iterdir()) == []
    source = io.BytesIO(layout.tar()) if kind == "pipe" else path
    assert store.import_archive(source) == dry


def test_content_that_is_found_is_leased(store: Store, operation: Operation) -> None:
    store.import_archive(io.BytesIO(image(A).bytes()))
    holdings = _Holdings(store, operation)
    assert holdings.blobs([Digest.of(b"unknown")]) == set()
    assert leased(store) == 0
    wanted = [DiffID(Digest.of(A)), DiffID(Digest.of(B))]
    assert holdings.diffs(wanted) == {DiffID(Digest.of(A))}
    assert leased(store) == 1
    assert holdings.document(Digest.of(config(A))) == config(A)
    assert holdings.document(Digest.of(b"unknown")) is None
    assert leased(store) == 2


def test_a_layer_is_held_if_its_blob_is_known_to_decode_to_the_diff(
    store: Store, operation: Operation
) -> None:
    layout = Layout()
    layout.root(layout.image(A, gzip(B)), "docker.io/library/app:1")
    store.import_archive(io.BytesIO(layout.tar()))
    a, b, blob = Digest.of(A), Digest.of(B), Digest.of(gzip(B).data)
    held = {(a, DiffID(a)), (blob, DiffID(b))}
    not_held = {(blob, DiffID(a)), (a, DiffID(b))}
    assert _Holdings(store, operation).layers(held | not_held) == held


def test_a_failed_import_leaves_no_operation(store: Store) -> None:
    with pytest.raises(Exception, match="no images"):
        store.import_archive(io.BytesIO(bytes(1024)))
    assert list((store.root / "staging").iterdir()) == []
    assert leased(store) == 0


def test_what_is_leased_already_takes_no_write_unit(
    store: Store, operation: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.import_archive(io.BytesIO(image(A).bytes()))
    holdings = _Holdings(store, operation)
    one, two = Digest.of(A), Digest.of(config(A))
    assert holdings.blobs((one, two)) == {one, two}
    write, owners = store.write, list[str]()

    def counted(owner: str, *rest: Durability) -> AbstractContextManager[Connection]:
        owners.append(owner)
        return write(owner, *rest)

    monkeypatch.setattr(store, "write", counted)
    assert holdings.blobs((two, Digest.of(b"unknown"))) == {two}
    assert holdings.blobs((one, two)) == {one, two}
    assert operation.id not in owners
    assert leased(store) == 2
    # A lease does not keep a file from being lost.
    for location in list(store.blobs.locations()):
        store.blobs.remove(location)
    assert holdings.blobs((one, two)) == {two}
