from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from exporter.options import SaveOptions
from exporter.selection.document_reader import DocumentReader
from exporter.selection.legacy_images import Selection, select
from store import ImageID, Store, errors
from store.model.digests import Digest
from store.model.remedies import Note, Remedy
from tests.support.images import A, B, config, image
from tests.support.layouts import Layout, gzip

if TYPE_CHECKING:
    from store.model.contents import Sources


def read(sources: Sources) -> bytes:
    assert sources.inline is not None
    return sources.inline


def selected(store: Store, *names: str) -> Selection:
    with store.read() as connection:
        return select(connection, names, SaveOptions(), DocumentReader(read))


def put(store: Store, *layers: bytes, tags: tuple[str, ...] = ()) -> ImageID:
    store.import_archive(io.BytesIO(image(*layers, tags=tags).bytes()))
    return ImageID.of(config(*layers))


def test_an_image_has_only_the_tags_that_named_it(store: Store) -> None:
    image_id = put(store, A, tags=("app:1", "app:2", "other:1"))
    found = selected(store, str(image_id), "other:1", "app:2", "other:1")
    ((only),) = found.images
    assert only.image_id == image_id
    assert [tag.familiar for tag in only.tags] == ["other:1", "app:2"]
    assert selected(store, str(image_id)).images[0].tags == ()


def test_a_digest_reference_gives_no_tag(store: Store) -> None:
    put(store, A, tags=("app:1",))
    digest = store.inspect("app:1").manifests[0].digest
    for name in (f"app@{digest}", f"app:1@{digest}", str(digest)):
        assert selected(store, name).images[0].tags == ()


def test_images_are_in_the_order_of_arguments(store: Store) -> None:
    first, second = put(store, A, tags=("a:1",)), put(store, B, tags=("b:1",))
    assert [one.image_id for one in selected(store, "b", "a").images] == [second, first]


def test_a_repository_without_its_artifacts_is_saved_with_a_note(store: Store) -> None:
    layout = Layout()
    layout.root(layout.image(A), "docker.io/library/app:1")
    layout.root(layout.artifact(b"signature"), "docker.io/library/app:1.sig")
    layout.root(layout.artifact(b"thing"), "docker.io/library/thing:1")
    store.import_archive(io.BytesIO(layout.tar()))
    found = selected(store, "app")
    assert [tag.familiar for tag in found.images[0].tags] == ["app:1"]
    (note,) = found.notes
    assert "1.sig" in note
    assert isinstance(note, Note)
    assert note.remedy is Remedy.SAVE_AS_OCI_OR_DOCKER
    for name in ("thing", "thing:1"):
        with pytest.raises(errors.ReferenceNotFound) as caught:
            selected(store, name)
        assert caught.value.remedy is Remedy.SAVE_AS_OCI_OR_DOCKER


def test_the_lease_covers_encodings_of_layers(store: Store) -> None:
    layout = Layout()
    layout.root(layout.image(gzip(A)), "docker.io/library/app:1")
    store.import_archive(io.BytesIO(layout.tar()))
    found = selected(store, "app:1")
    assert set(found.sources) < found.needs()
    assert Digest.of(gzip(A).data) in found.needs()


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("app:2", errors.ReferenceNotFound),
        (f"app@sha256:{'0' * 64}", errors.ReferenceNotFound),
        ("absent", errors.ImageNotFound),
        ("sha256:ffffffffffff", errors.ImageNotFound),
        ("App", errors.InvalidReference),
    ],
)
def test_an_unknown_name_fails_the_save(
    store: Store, name: str, error: type[errors.StoreError]
) -> None:
    put(store, A, tags=("app:1",))
    with pytest.raises(error):
        selected(store, "app:1", name)
