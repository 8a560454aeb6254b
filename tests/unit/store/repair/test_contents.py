from __future__ import annotations

from typing import TYPE_CHECKING, final

from store.catalog.checking import losses
from store.model.contents import ContentState
from store.model.digests import Digest
from store.model.limits import DEFAULT_LIMITS
from store.repair.contents import Brought, Role, bring, documents_of, publish, tidy
from store.repair.needs import find_needs
from tests.support.images import A, B, config
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from store import Store
    from store.importing.staging import Staged, Stager
    from store.repair.needs import Needs
    from store.workspace.operations import Operation


@final
class Fake:
    """A donor that gives the same bytes for every digest, however wrong they are."""

    name = "fake"

    def __init__(self, stager: Stager, data: bytes) -> None:
        self._stager = stager
        self._data = data

    def document(self, digest: Digest) -> bytes | None:
        del digest
        return self._data

    def blob(self, digest: Digest) -> Staged | None:
        return self._stager.blob(iter([self._data]), str(digest), lambda _size: None)

    def diff(self, digest: Digest) -> Staged | None:
        return self._stager.layer(iter([self._data]), str(digest), lambda _size: None)


def lost(store: Store) -> tuple[Needs, frozenset[Digest]]:
    with store.read() as connection:
        pairs = losses.encodings_of(connection, {Digest.of(A), Digest.of(B)})
        found = {pair.stored for pair in pairs} | {Digest.of(config(A, B))}
        needs = find_needs(connection, found)
        return needs, documents_of(connection, needs)


def test_only_bytes_with_the_right_digest_are_kept(store: Store, stager: Stager) -> None:
    put_image(store, A, B, tags=("x:1",))
    needs, documents = lost(store)
    assert documents == {Digest.of(config(A, B))}
    assert bring(Fake(stager, b"wrong"), needs, documents).is_empty
    brought = bring(Fake(stager, A), needs, documents)
    assert set(brought.layers) == {Digest.of(A)}
    brought = bring(Fake(stager, config(A, B)), needs, documents)
    assert set(brought.documents) == {Digest.of(config(A, B))}
    (line,) = brought.restored("fake")
    assert (line.role, line.donor) == (Role.DOCUMENT, "fake")


def test_published_bytes_replace_what_is_lost(
    store: Store, stager: Stager, operation: Operation
) -> None:
    put_image(store, A, B, tags=("x:1",))
    for digest in map(store.blobs.digest, store.blobs.locations()):
        store.blobs.path(digest).unlink()
    needs, documents = lost(store)
    brought = bring(Fake(stager, A), needs, documents)
    with store.write(operation.id) as connection:
        publish(connection, store, operation, brought, needs, DEFAULT_LIMITS)
    assert store.read_whole(Digest.of(A)) == A
    assert store.sources((Digest.of(B),))[Digest.of(B)].state is ContentState.PRESENT
    with store.write(operation.id) as connection:
        publish(connection, store, operation, Brought(), needs, DEFAULT_LIMITS)


def test_rows_of_lost_bytes_that_are_stored_otherwise_go(store: Store) -> None:
    put_image(store, A, tags=("x:1",))
    digest = Digest.of(A)
    with store.write() as connection:
        connection.exec_driver_sql(
            "INSERT INTO blob SELECT id, '2026-01-01T00:00:00.000000Z' FROM content WHERE digest ="
            " ?",
            (str(digest),),
        )
        needs = find_needs(connection, {digest})
        tidy(connection, needs, store.now())
    assert not store.sources((digest,))[digest].in_file
    assert store.read_whole(digest) == A
