from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from exporter.options import SaveOptions
from exporter.selection.document_reader import DocumentReader
from exporter.selection.holdings import Holdings
from exporter.selection.loading import Loading
from exporter.selection.platforms import choose_image, choose_roots, is_index, stored_images
from exporter.selection.roots import SavedRoot
from store import Store, errors
from store.model.digests import Digest
from store.model.platforms import Platform
from store.model.references import Reference
from store.model.remedies import Note, Remedy
from tests.support.images import A, B
from tests.support.layouts import Layout

if TYPE_CHECKING:
    from store.model.contents import Sources

TAG = Reference.parse("app:1")


def read(sources: Sources) -> bytes:
    assert sources.inline is not None
    return sources.inline


class Index:
    """An index that lists two images, an attestation of the first image, and one absent image."""

    def __init__(self, store: Store) -> None:
        layout = Layout()
        self.amd64 = layout.image(A)
        self.arm64 = layout.image(B, platform="linux/arm64")
        self.attestation = layout.attestation(self.amd64)
        made = layout.index(self.amd64, self.arm64, self.attestation, layout.absent("linux/s390x"))
        self.top = layout.root(made, "docker.io/library/app:1")
        self.artifact = layout.root(layout.artifact(b"thing"), "docker.io/library/thing:1")
        store.import_archive(io.BytesIO(layout.tar()))
        self.store = store

    def roots(
        self,
        one: dict[str, Any],
        **options: Any,  # noqa: ANN401 - of `SaveOptions`
    ) -> tuple[list[SavedRoot], set[str], list[str]]:
        """Return the roots, the kept digests and the notes of a save of the manifest ``one``."""
        keep: set[Digest] = set()
        notes: list[str] = []
        with self.store.read() as connection:
            loading = Loading(Holdings(connection), DocumentReader(read))
            loading.descend([Digest.parse(one["digest"])])
            root = SavedRoot(Digest.parse(one["digest"]), (TAG,))
            found = choose_roots(loading, root, SaveOptions(**options), keep, notes)
        return found, set(map(str, keep)), notes

    def image(
        self,
        one: dict[str, Any],
        **options: Any,  # noqa: ANN401 - of `SaveOptions`
    ) -> tuple[str, tuple[str, ...]]:
        with self.store.read() as connection:
            loading = Loading(Holdings(connection), DocumentReader(read))
            loading.descend([Digest.parse(one["digest"])])
            document, notes = choose_image(
                loading, Digest.parse(one["digest"]), SaveOptions(**options), "app:1"
            )
        return str(document.digest), notes


@pytest.fixture
def index(store: Store) -> Index:
    return Index(store)


def platforms(*texts: str) -> tuple[Platform, ...]:
    return tuple(map(Platform.parse, texts))


def digest_set(*descriptors: dict[str, Any]) -> set[str]:
    return {one["digest"] for one in descriptors}


def test_an_index_is_told_from_a_manifest(index: Index) -> None:
    with index.store.read() as connection:
        assert is_index(connection, Digest.parse(index.top["digest"]))
        assert not is_index(connection, Digest.parse(index.amd64["digest"]))
        assert not is_index(connection, Digest.of(b"absent"))


def test_an_index_is_saved_whole_if_no_platform_is_asked_for(index: Index) -> None:
    roots, keep, notes = index.roots(index.top)
    assert [str(root.digest) for root in roots] == [index.top["digest"]]
    assert keep == digest_set(index.top, index.amd64, index.arm64, index.attestation)
    assert notes == []


def test_images_replace_their_index_and_the_first_has_its_tag(index: Index) -> None:
    roots, keep, notes = index.roots(index.top, platforms=platforms("linux/arm64", "linux/amd64"))
    assert [(str(root.digest), root.tags) for root in roots] == [
        (index.arm64["digest"], (TAG,)),
        (index.amd64["digest"], ()),
    ]
    assert keep == digest_set(index.amd64, index.arm64)
    (note,) = notes
    assert isinstance(note, Note)
    assert note.remedy is Remedy.SAVE_SPARSE_INDEX


def test_a_sparse_index_keeps_the_attestations_of_its_images(index: Index) -> None:
    roots, keep, _ = index.roots(index.top, platforms=platforms("linux/amd64"), sparse=True)
    assert [str(root.digest) for root in roots] == [index.top["digest"]]
    assert keep == digest_set(index.top, index.amd64, index.attestation)


def test_platforms_without_an_image_are_listed_in_the_error(index: Index) -> None:
    with pytest.raises(errors.InvalidInput) as caught:
        index.roots(index.top, platforms=platforms("linux/amd64", "linux/s390x", "linux/arm/v7"))
    assert "linux/s390x or linux/arm/v7" in caught.value.message
    assert "linux/amd64, linux/arm64" in (caught.value.hint or "")


def test_a_manifest_is_saved_only_for_its_platform(index: Index) -> None:
    roots, keep, _ = index.roots(index.arm64, platforms=platforms("linux/arm64"))
    assert ([str(root.digest) for root in roots], keep) == (
        [index.arm64["digest"]],
        digest_set(index.arm64),
    )
    with pytest.raises(errors.InvalidInput) as caught:
        index.roots(index.arm64, platforms=platforms("linux/amd64"))
    assert "linux/arm64" in (caught.value.hint or "")


def test_an_artifact_is_saved_for_any_platform(index: Index) -> None:
    _, keep, _ = index.roots(index.artifact, platforms=platforms("linux/arm64"))
    assert keep == digest_set(index.artifact)


def test_one_image_of_an_index_is_chosen_with_a_note_on_all_others(index: Index) -> None:
    digest, notes = index.image(index.top, machine=Platform.parse("linux/arm64"))
    assert digest == index.arm64["digest"]
    assert notes == ("app:1: saved linux/arm64; left out: linux/amd64, linux/s390x",)
    assert index.image(index.amd64) == (index.amd64["digest"], ())


def test_a_machine_without_an_image_gets_the_first_one_and_a_platform_is_refused(
    index: Index,
) -> None:
    digest, notes = index.image(index.top, machine=Platform.parse("linux/riscv64"))
    assert digest == index.amd64["digest"]
    assert notes == ("app:1: saved linux/amd64; left out: linux/arm64, linux/s390x",)
    with pytest.raises(errors.InvalidInput) as caught:
        index.image(index.top, platforms=platforms("linux/s390x"))
    assert caught.value.remedy is Remedy.CHOOSE_PLATFORM


def test_an_artifact_is_not_an_image(index: Index) -> None:
    with pytest.raises(errors.ReferenceNotFound):
        index.image(index.artifact)


def test_an_index_that_is_listed_twice_offers_its_images_once(store: Store) -> None:
    layout = Layout()
    inner = layout.index(layout.image(A), layout.image(B, platform="linux/arm64"))
    for _ in range(28):
        inner = layout.index(inner, inner)
    layout.root(inner, "docker.io/library/app:1")
    store.import_archive(io.BytesIO(layout.tar()))
    with store.read() as connection:
        loading = Loading(Holdings(connection), DocumentReader(read))
        loading.descend([Digest.parse(inner["digest"])])
        found = stored_images(loading, loading.documents[Digest.parse(inner["digest"])])
    assert [str(platform) for _, platform in found] == ["linux/amd64", "linux/arm64"]
