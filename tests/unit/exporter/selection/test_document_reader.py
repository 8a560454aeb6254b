from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

import exporter
from exporter.options import Format, SaveOptions
from exporter.selection.document_reader import DocumentReader
from store.catalog.documents import document_bytes, put_documents
from store.errors import InvalidDocument, TooLarge
from store.formats.image.described_image import NotAnImage
from store.model.digests import Digest
from store.model.limits import DEFAULT_LIMITS, ArchiveLimits
from tests.support.images import A, B, config, image
from tests.support.layouts import INDEX, Layout
from tests.support.saved_graphs import inline

if TYPE_CHECKING:
    from store import Store
    from store.model.contents import Sources


class Left(Exception):
    """The client has left."""


def counted(reads: list[Digest], **options: object) -> DocumentReader:
    """Return a reader that notes the digest of every document that it reads."""

    def read(sources: Sources) -> bytes:
        reads.append(sources.digest)
        assert sources.inline is not None
        return sources.inline

    return DocumentReader(read, **options)  # type: ignore[arg-type] # of the caller


def stored(data: bytes) -> Sources:
    return inline(Digest.of(data), data)


def test_a_document_is_read_once() -> None:
    reads: list[Digest] = []
    reader = counted(reads)
    one = stored(config(A))
    manifest = stored(b'{"schemaVersion":2,"manifests":[]}')
    for _ in range(2):
        assert reader.config(one) is reader.image_config(one) is not None
        assert reader.manifest(manifest, INDEX, DEFAULT_LIMITS).digest == manifest.digest
    assert reads == [one.digest, manifest.digest]


def test_bytes_that_are_no_config_give_the_reason() -> None:
    reader = counted([])
    broken = stored(b"broken")
    assert isinstance(reader.config(broken), NotAnImage)
    with pytest.raises(InvalidDocument):
        reader.image_config(broken)


def test_the_bytes_of_all_documents_have_a_ceiling() -> None:
    first, second = stored(config(A)), stored(config(B))
    size = first.size_bytes + second.size_bytes
    for ceiling, fits in ((size, True), (size - 1, False)):
        reader = counted([], ceilings=ArchiveLimits(document_bytes=ceiling))
        reader.config(first)
        if fits:
            reader.config(second)
            continue
        with pytest.raises(TooLarge) as caught:
            reader.config(second)
        assert caught.value.limit == ceiling


def test_documents_in_the_database_are_measured_before_they_are_loaded(store: Store) -> None:
    data = [b"a" * 100, b"b" * 50]
    with store.write() as connection:
        put_documents(connection, {Digest.of(one): one for one in data})
    digests = [Digest.of(one) for one in (*data, b"absent")]
    with store.read() as connection:
        assert document_bytes(connection, digests) == 150
        assert document_bytes(connection, [digests[2]]) == 0
        counted([], ceilings=ArchiveLimits(document_bytes=150)).require_small(connection, digests)
        with pytest.raises(TooLarge):
            counted([], ceilings=ArchiveLimits(document_bytes=149)).require_small(
                connection, digests
            )


@pytest.fixture
def filled(store: Store) -> Store:
    for number in range(3):
        archive = image(A, B, tags=(f"app:{number}",), config={"Labels": {"n": str(number)}})
        store.import_archive(io.BytesIO(archive.bytes()))
    return store


@pytest.mark.parametrize("format_", Format)
@pytest.mark.parametrize(
    ("fitting", "ceilings"),
    [
        (ArchiveLimits(images=3), ArchiveLimits(images=2)),
        (ArchiveLimits(layers=6), ArchiveLimits(layers=5)),
        (ArchiveLimits(names=3), ArchiveLimits(names=2)),
        (ArchiveLimits(manifests=3), ArchiveLimits(manifests=2)),
        (ArchiveLimits(), ArchiveLimits(document_bytes=1000)),
    ],
    ids=["images", "layers", "names", "manifests", "bytes"],
)
def test_an_archive_has_ceilings(
    filled: Store, format_: Format, fitting: ArchiveLimits, ceilings: ArchiveLimits
) -> None:
    options = SaveOptions(format_)
    for names in (["app"], ["app:0", "app:1", "app:2"]):
        with exporter.open_save(filled, names, options=options, ceilings=fitting) as export:
            assert len(export.images) == 3
        with (
            pytest.raises(TooLarge),
            exporter.open_save(filled, names, options=options, ceilings=ceilings),
        ):
            pass


@pytest.mark.parametrize("format_", Format)
def test_a_save_can_be_ended_at_every_check(filled: Store, format_: Format) -> None:
    """However early or late its client leaves, a save ends and leaves no lease."""
    checks = 0

    def count() -> None:
        nonlocal checks
        checks += 1

    with exporter.open_save(filled, ["app"], options=SaveOptions(format_), check=count):
        pass
    assert checks >= 2 * len(filled.images())
    for last in range(checks):
        left = last

        def check() -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Left

        with (
            pytest.raises(Left),
            exporter.open_save(filled, ["app"], options=SaveOptions(format_), check=check),
        ):
            pass
        assert filled.sweep_operations().operations == []


@pytest.mark.parametrize("format_", Format)
def test_an_index_that_lists_one_index_twice_on_each_level_is_planned(
    store: Store, format_: Format
) -> None:
    """If every link was followed, thirty levels would take a billion steps."""
    layout = Layout()
    top = layout.image(A)
    for _ in range(30):
        top = layout.index(top, top)
    layout.root(top, "docker.io/library/deep:1")
    store.import_archive(io.BytesIO(layout.tar()))
    checks = 0

    def count() -> None:
        nonlocal checks
        checks += 1
        assert checks < 1000

    with exporter.open_save(store, ["deep:1"], options=SaveOptions(format_), check=count) as export:
        assert len(export.images) == 1
