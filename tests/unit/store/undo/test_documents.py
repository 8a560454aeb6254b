"""Documents are read verified, from the catalogue or from a file, or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from store.catalog.checking import marks
from store.model.digests import Digest
from store.registry.registry import Registry
from store.undo.documents import Documents
from tests.support.images import A
from tests.support.registry_pushes import push_blob
from tests.support.stored_images import put_image

if TYPE_CHECKING:
    from store import Store


def test_documents_are_read_from_the_catalogue_and_from_files(store: Store) -> None:
    image = put_image(store, A, tags=("x:1",))
    config = push_blob(Registry(store), b"a config that was pushed as a blob")
    with store.read() as connection:
        documents = Documents(store)
        read = documents.read(connection, image.digest)
        assert read is not None
        assert Digest.of(read) == image.digest
        assert documents.read(connection, config) == b"a config that was pushed as a blob"
        assert documents.read(connection, Digest.of(b"unknown")) is None


def test_damaged_documents_are_not_read(store: Store) -> None:
    digest = push_blob(Registry(store), b"bytes")
    path = store.blobs.path(digest)
    path.chmod(0o600)
    path.write_bytes(b"other")
    with store.write() as connection:
        assert Documents(store).read(connection, digest) is None
        marks.mark_damaged(connection, digest)
        assert Documents(store).read(connection, digest) is None
