"""The import of blobs that manifests list."""

from __future__ import annotations

import bz2
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from store import ImportOptions, Store, errors
from store.errors import DigestMismatch, MissingBlobs, TooLarge
from store.formats.archives import oci_layout
from store.formats.archives.layout_documents import oci_blob_paths
from store.formats.compression.settings import Compression
from store.importing.archive import ArchiveInput, ReadArchive
from store.importing.manifest_blobs import ManifestBlobs, layers_of, others_of
from store.importing.staging import Stager
from store.model.digests import DiffID, Digest
from store.model.limits import DEFAULT_LIMITS
from tests.support.archive_members import ChosenHoldings, MemoryMembers
from tests.support.images import A, B, layer
from tests.support.layouts import Blob, Layout, foreign, gzip, plain

if TYPE_CHECKING:
    from pathlib import Path

    from store.importing.workers import Pool
    from store.workspace.operations import Operation


def stage(
    layout: Layout, stager: Stager, holdings: ChosenHoldings | None = None
) -> tuple[ReadArchive, MemoryMembers]:
    members = MemoryMembers(layout.members(), stager)
    holdings = holdings or ChosenHoldings()
    claim = oci_layout.claim(members, DEFAULT_LIMITS, holdings.document)
    archive = ReadArchive(claim)
    source = ArchiveInput(members, stager, DEFAULT_LIMITS, holdings)
    ManifestBlobs(oci_blob_paths(members), source, archive).stage(claim.graph)
    return archive, members


def one_image(*layers: Blob) -> Layout:
    layout = Layout()
    layout.root(layout.image(*layers), "docker.io/library/app:1")
    return layout


def path(data: bytes) -> str:
    return f"blobs/sha256/{Digest.of(data).hex}"


def test_layers_and_other_blobs_are_told_apart(stager: Stager) -> None:
    layout = one_image(gzip(A))
    layout.root(layout.artifact(b"sbom"))
    archive, _ = stage(layout, stager)
    assert set(archive.blobs) == {Digest.of(gzip(A).data)}
    assert set(archive.others) == {Digest.of(b"sbom"), Digest.of(b"{}")}
    graph = archive.claim.graph
    described = [one for one in graph.documents.values() if layers_of(one, graph.configs)]
    assert [diff for _, diff in layers_of(described[0], graph.configs)] == [DiffID(Digest.of(A))]
    assert others_of(described[0], graph.configs) == []


def test_a_blob_that_the_store_knows_to_decode_to_the_diff_is_not_read(stager: Stager) -> None:
    held, new = gzip(A), gzip(B)
    known = {(Digest.of(held.data), DiffID(Digest.of(A)))}
    _, members = stage(one_image(held, new), stager, ChosenHoldings(decoded=known))
    assert members.staged == [path(new.data)]
    assert members.prefetched == [path(new.data)]


def test_the_largest_layers_are_prefetched_first(stager: Stager) -> None:
    small = plain(A)
    large = plain(layer("large", random.Random(1).randbytes(1 << 16)))
    _, members = stage(one_image(small, large), stager)
    assert members.prefetched == [path(large.data), path(small.data)]


def test_a_blob_with_other_bytes_than_its_digest_is_refused(stager: Stager) -> None:
    layout = one_image(plain(A))
    changed = layer("b.txt", b"omega\n")
    assert len(changed) == len(A)
    layout.blobs[str(Digest.of(A))] = changed
    with pytest.raises(DigestMismatch) as caught:
        stage(layout, stager)
    assert (caught.value.want, caught.value.got) == (Digest.of(A), Digest.of(changed))


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        (Blob(plain=B, data=A), f"decodes to {Digest.of(A)}, but the config has {Digest.of(B)}"),
        (Blob(plain=A, data=gzip(A).data[:-9]), "does not decode: the gzip data ends early"),
        (gzip(b"not a tar" * 60), "is not a layer: not a tar archive"),
        (Blob(plain=gzip(A).data, data=gzip(A).data), f"decodes to {Digest.of(A)}"),
        (Blob(plain=B, data=bz2.compress(A)), f"decodes to {Digest.of(A)}"),
    ],
    ids=["another-layer", "cut", "no-tar", "compressed-diff-id", "bzip2"],
)
def test_a_blob_that_is_not_the_layer_of_the_config_is_kept_with_the_reason(
    stager: Stager, odd: Blob, why: str
) -> None:
    layout = one_image(odd)
    archive, _ = stage(layout, stager)
    (manifest,) = archive.claim.graph.configs
    assert why in archive.mismatches[manifest]
    assert archive.blobs == {}
    assert archive.others[Digest.of(odd.data)].received.digest == Digest.of(odd.data)
    assert archive.undecoded == set()


def test_a_blob_may_be_the_layer_of_one_config_and_not_of_another(stager: Stager) -> None:
    for first, second in ((plain(A), Blob(B, A)), (Blob(B, A), plain(A))):
        layout = one_image(first)
        layout.root(layout.image(second, platform="linux/arm64"))
        archive, _ = stage(layout, stager)
        assert (set(archive.blobs), archive.others) == ({Digest.of(A)}, {})
        assert len(archive.mismatches) == 1


def test_a_layer_that_only_the_store_has_may_never_have_been_decoded(stager: Stager) -> None:
    layout = one_image(gzip(A))
    del layout.blobs[str(Digest.of(gzip(A).data))]
    archive, _ = stage(layout, stager, ChosenHoldings(held={Digest.of(gzip(A).data)}))
    assert archive.undecoded == set(archive.claim.graph.configs)
    assert archive.mismatches == {}


def test_a_layer_above_a_limit_is_refused(operation: Operation, pool: Pool) -> None:
    limits = replace(DEFAULT_LIMITS, layer_bytes=len(A) - 1)
    with pytest.raises(TooLarge):
        stage(one_image(gzip(A)), Stager(operation, pool, Compression(), limits))


def test_every_missing_blob_is_reported_at_once(stager: Stager) -> None:
    layout = one_image(plain(A), plain(B))
    del layout.blobs[str(Digest.of(A))]
    del layout.blobs[str(Digest.of(B))]
    with pytest.raises(MissingBlobs) as caught:
        stage(layout, stager)
    assert [digest for _, _, digest in caught.value.missing] == [Digest.of(A), Digest.of(B)]


def test_a_foreign_layer_is_recorded_also_if_the_store_has_it(stager: Stager) -> None:
    layout = one_image(foreign(plain(A), "https://example.org/a"))
    diff = DiffID(Digest.of(A))
    archive, _ = stage(layout, stager)
    (image,) = archive.claim.graph.configs.values()
    place = image.image_id, diff
    assert (list(archive.foreign), list(archive.sources)) == ([diff], [place])
    known = ChosenHoldings(decoded={(Digest.of(A), diff)})
    archive, _ = stage(layout, stager, known)
    assert (list(archive.foreign), list(archive.sources)) == ([], [place])


# --- layers that are read ahead, through a whole import -------------------------------------------


def big(seed: int) -> bytes:
    return layer(f"file-{seed}", random.Random(seed).randbytes(1 << 20))


def damage(layout: Layout, data: bytes) -> str:
    """Flip a byte in the gzip blob of ``data``; return the digest that names the blob."""
    name = next(name for name, blob in layout.blobs.items() if blob == gzip(data).data)
    blob = bytearray(layout.blobs[name])
    blob[len(blob) // 2] ^= 1
    layout.blobs[name] = bytes(blob)
    return name


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_layers_are_complete_however_many_are_read_at_once(tmp_path: Path, workers: int) -> None:
    layout = one_image(*(gzip(big(seed)) for seed in range(5)))
    with Store.open(tmp_path / "store", create=True) as store:
        report = store.import_archive(
            layout.folder(tmp_path / "layout"), ImportOptions(workers=workers)
        )
        assert report.new_layers == 5
        assert not list(store.fsck())


def test_the_first_of_two_damaged_layers_is_reported_and_nothing_stays(tmp_path: Path) -> None:
    layers = [A, big(1), big(2), B]
    layout = one_image(*map(gzip, layers))
    first, _second = damage(layout, layers[1]), damage(layout, layers[2])
    with Store.open(tmp_path / "store", create=True) as store:
        with pytest.raises(errors.InvalidInput) as caught:
            store.import_archive(layout.folder(tmp_path / "layout"))
        assert first in str(caught.value.message) or first in str(vars(caught.value))
        assert not store.images()
    assert list((tmp_path / "store" / "staging").iterdir()) == []
    assert [one for one in (tmp_path / "store" / "blobs").rglob("*") if one.is_file()] == []
