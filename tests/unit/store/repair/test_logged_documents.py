from __future__ import annotations

from typing import TYPE_CHECKING

from store.model.digests import Digest
from store.model.progress import Silent
from store.repair.logged_documents import logged_documents
from store.repair.run import Repair, RepairOptions
from tests.support.damaged_stores import spoil
from tests.support.images import A, config
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store


def test_a_document_comes_back_from_the_log_beside_the_catalogue(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    digest = Digest.of(config(A))
    assert logged_documents(store.root, {digest, Digest.of(b"?")}) == {digest: config(A)}
    spoil(store, digest)
    repair = Repair(store, RepairOptions(), Silent())
    list(repair.run())
    assert [one.digest for one in repair.report.restored] == [digest]
    assert repair.report.left == []
    assert store.read_whole(digest) == config(A)


def test_a_store_without_a_log_has_none(tmp_path: Path) -> None:
    assert logged_documents(tmp_path, {Digest.of(b"?")}) == {}


def test_a_damaged_log_gives_only_right_bytes(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    log = store.root / "documents" / "log.zst"
    log.write_bytes(b"rot" + log.read_bytes()[3:])
    digest = Digest.of(config(A))
    assert logged_documents(store.root, {digest}) in ({}, {digest: config(A)})
