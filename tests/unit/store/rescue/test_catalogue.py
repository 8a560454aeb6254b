from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from store.catalog import content, repositories
from store.catalog.documents import put_documents
from store.model.contents import Codec
from store.model.digests import Digest
from store.model.references import Reference
from store.rescue import graph
from store.rescue.catalogue import Builder
from store.rescue.files import StoredFile
from store.rescue.recorded import Recorded
from store.rescue.report import LossKind
from tests.support.catalog_rows import NOW, empty_catalog
from tests.support.images import A, B, config
from tests.support.layouts import CONFIG, INDEX, LAYER, MANIFEST, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

APP, OTHER = Reference.parse("app:1"), Reference.parse("other:1")
CONFIG_BYTES = config(A, B)


def about(data: bytes, media_type: str = MANIFEST, **members: object) -> dict[str, object]:
    return {"mediaType": media_type, "digest": str(Digest.of(data)), "size": len(data), **members}


IMAGE = encode(
    {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": about(CONFIG_BYTES, CONFIG),
        "layers": [about(A, LAYER), about(B, LAYER, urls=["https://example.org/b"])],
    }
)
INDEX_BYTES = encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [about(IMAGE)]})


@pytest.fixture
def connection() -> Iterator[Connection]:
    with empty_catalog() as opened:
        put_documents(
            opened, {Digest.of(data): data for data in (CONFIG_BYTES, IMAGE, INDEX_BYTES)}
        )
        yield opened


def recorded(**members: object) -> Recorded:
    types = {Digest.of(IMAGE): MANIFEST, Digest.of(INDEX_BYTES): INDEX}
    return Recorded(has_log=True, manifests=types, **members)  # type: ignore[arg-type]


def built(connection: Connection, found: Recorded, *files: StoredFile) -> Builder:
    builder = Builder(connection, found, graph.find(connection, found), NOW)
    builder.add_manifests(lambda _: None)
    builder.add_files(files)
    builder.add_names()
    return builder


def sound(data: bytes) -> StoredFile:
    return StoredFile(Digest.of(data), len(data), is_sound=True)


def holds(connection: Connection, name: Reference) -> set[Digest]:
    every = [Digest.of(data) for data in (CONFIG_BYTES, IMAGE, INDEX_BYTES, A, B)]
    return set(repositories.held(connection, name.repository, every))


def test_a_repository_gets_no_manifest_that_only_its_index_lists(connection: Connection) -> None:
    found = recorded(
        tags={APP: (Digest.of(INDEX_BYTES), NOW)},
        held={str(OTHER.repository): {Digest.of(IMAGE): None}},
    )
    built(connection, found, sound(A), sound(B))
    assert holds(connection, APP) == {Digest.of(INDEX_BYTES)}
    assert Digest.of(IMAGE) in holds(connection, OTHER)


def test_a_repository_gets_a_layer_with_an_address_only_if_it_held_it(
    connection: Connection,
) -> None:
    image = Digest.of(IMAGE)
    found = recorded(
        tags={APP: (image, NOW), OTHER: (image, NOW)},
        held={str(OTHER.repository): {image: None, Digest.of(B): None}},
    )
    built(connection, found, sound(A), sound(B))
    without = {image, Digest.of(CONFIG_BYTES), Digest.of(A)}
    assert holds(connection, APP) == without
    assert holds(connection, OTHER) == without | {Digest.of(B)}


def test_lost_layers_are_named(connection: Connection) -> None:
    found = recorded(tags={APP: (Digest.of(IMAGE), NOW)})
    builder = built(connection, found, sound(A))
    (loss,) = builder.losses
    assert (loss.kind, loss.subject) == (LossKind.IMAGE, str(Digest.of(CONFIG_BYTES)))
    assert str(Digest.of(B)) in loss.reason


def test_a_layer_may_be_lost_if_it_has_an_address(connection: Connection) -> None:
    found = recorded(
        tags={APP: (Digest.of(IMAGE), NOW)},
        sources={(Digest.of(CONFIG_BYTES), Digest.of(B), "{}"): None},
    )
    assert built(connection, found, sound(A)).losses == []


def test_a_tag_without_its_manifest_is_lost(connection: Connection) -> None:
    found = recorded(tags={APP: (Digest.of(b"gone"), NOW)})
    (loss,) = built(connection, found).losses
    assert (loss.kind, loss.subject) == (LossKind.TAG, "app:1")


def test_damaged_files_are_marked_and_unknown_files_are_counted(connection: Connection) -> None:
    found = recorded(tags={APP: (Digest.of(IMAGE), NOW)})
    bad = StoredFile(Digest.of(A), 7, is_sound=False)
    builder = built(connection, found, bad, sound(B), sound(b"unknown"))
    assert {one.kind for one in builder.losses} == {LossKind.FILE, LossKind.IMAGE}
    assert content.present(connection, [Digest.of(A), Digest.of(B)]) == {Digest.of(B)}
    assert (builder.unknown_files, builder.unknown_bytes) == (1, 7)


def test_what_no_manifest_names_was_encoded_by_this_store(connection: Connection) -> None:
    found = recorded(tags={APP: (Digest.of(IMAGE), NOW)})
    stored = StoredFile(
        Digest.of(b"zstd"), 4, is_sound=True, codec=Codec.ZSTD, decoded=(Digest.of(A),),
        decoded_bytes=len(A),
    )  # fmt: skip
    builder = built(connection, found, stored, sound(B))
    assert builder.losses == []
    (encoding,) = content.sources(connection, [Digest.of(A)])[Digest.of(A)].encodings
    assert (encoding.digest, encoding.is_ours, encoding.is_checked) == (stored.digest, True, True)
