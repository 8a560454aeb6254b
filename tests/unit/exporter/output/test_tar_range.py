"""Any part of an archive, and the identity of the whole."""

from __future__ import annotations

import io
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import exporter
from exporter.output.tar_range import ArchiveBlocks, identity
from exporter.planning.plan import Entry, EntryType, Plan
from store.errors import DamagedContent, DiffMismatch
from store.model.digests import Digest
from store.model.references import Repository
from store.registry.registry import Registry
from tests.support import images
from tests.support.layouts import MANIFEST, encode

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store

BUFFER = 1 << 16


@pytest.fixture
def filled(store: Store) -> Store:
    store.import_archive(
        io.BytesIO(images.image(images.A, images.B, images.E, tags=("demo:1",)).bytes())
    )
    return store


def part(blocks: ArchiveBlocks, start: int, stop: int) -> bytes:
    found = b""
    buffer = bytearray(BUFFER)
    while start < stop:
        view = blocks.read_into(start, buffer)[: stop - start]
        assert len(view) > 0
        found += view
        start += len(view)
    return found


@pytest.mark.parametrize("kind", ["legacy", "docker", "oci"])
def test_every_part_is_of_the_whole(kind: str, filled: Store) -> None:
    sink = io.BytesIO()
    with exporter.open_save(
        filled, ["demo:1"], options=exporter.SaveOptions(exporter.Format(kind))
    ) as export:
        export.write(sink)
        whole = sink.getvalue()
        with closing(export.blocks()) as blocks:
            assert blocks.size_bytes == len(whole) == export.size_bytes
            for start in range(0, len(whole), 97):
                assert (
                    part(blocks, start, min(len(whole), start + 1500))
                    == whole[start : start + 1500]
                )
            assert part(blocks, 0, len(whole)) == whole


def test_files_made_for_an_archive(tmp_path: Path, store: Store) -> None:
    made = tmp_path / "made"
    made.write_bytes(bytes(range(256)) * 10)
    plan = Plan((Entry("made", EntryType.FILE, 0o644, 0, 2560, made),))
    with closing(ArchiveBlocks(plan, store.blobs)) as blocks:
        assert part(blocks, 512 + 256, 512 + 2560) == made.read_bytes()[256:]
    before = identity(plan)
    made.write_bytes(bytes(2560))
    assert identity(plan) != before


def test_the_identity_is_of_every_byte(filled: Store) -> None:
    with exporter.open_save(filled, ["demo:1"]) as export:
        plan = export.plan
    known = {
        identity(plan),
        identity(replace(plan, owner="x")),
        identity(replace(plan, entries=plan.entries[1:])),
    }
    for position, entry in enumerate(plan.entries):
        changes: list[Entry] = [
            replace(entry, mtime_s=entry.mtime_s + 1),
            replace(entry, mode=entry.mode ^ 1),
            replace(entry, path=entry.path + "x"),
        ]
        if isinstance(entry.source, bytes) and entry.source:
            changes.append(replace(entry, source=entry.source[:-1] + b"\0"))
        for changed in changes:
            known.add(
                identity(
                    replace(
                        plan,
                        entries=(*plan.entries[:position], changed, *plan.entries[position + 1 :]),
                    )
                )
            )
    assert len(known) > 3 * len(plan.entries)
    with exporter.open_save(filled, ["demo:1"]) as again:
        assert identity(again.plan) == identity(plan)


def test_stored_bytes_that_changed_are_found_when_all_of_them_pass(store: Store) -> None:
    from store import ImportOptions
    from store.formats.compression.settings import Compression

    store.import_archive(
        io.BytesIO(images.image(images.A, tags=("demo:1",)).bytes()),
        ImportOptions(compression=Compression(None)),
    )
    path = store.blobs.path(Digest.of(images.A))
    path.chmod(0o644)
    path.write_bytes(images.A.replace(b"alpha", b"ALPHA"))
    with exporter.open_save(store, ["demo:1"]) as export, closing(export.blocks()) as blocks:
        with pytest.raises(DamagedContent) as found:
            part(blocks, 0, blocks.size_bytes)
        assert found.value.digest == Digest.of(images.A)


# --- images that were pushed ----------------------------------------------------------------------


def push(store: Store, layer: bytes, claimed: bytes) -> None:
    """An image whose config says that its layer is ``claimed``."""
    registry, name = Registry(store), Repository.parse("pushed")
    config = images.config(claimed)
    for data in (layer, config):
        with registry.uploads.once(name) as upload:
            upload.write(data)
            upload.finish(Digest.of(data))
    described = {
        "mediaType": "application/vnd.oci.image.config.v1+json",
        "digest": str(Digest.of(config)),
        "size": len(config),
    }
    layers = [
        {
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": str(Digest.of(layer)),
            "size": len(layer),
        }
    ]
    data = encode(
        {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": layers}
    )
    assert (
        registry.put_manifest(name, data, media_type=MANIFEST, digest=None, tags=["1"]).image_id
        is not None
    )


def test_a_pushed_image_is_verified_when_its_diffs_are_first_needed(store: Store) -> None:
    import gzip

    push(store, gzip.compress(images.A), images.A)
    sink = io.BytesIO()
    with exporter.open_save(store, ["pushed:1"]) as export:
        export.write(sink)
    assert images.A in sink.getvalue()


def test_an_image_that_lies_is_not_decoded(store: Store) -> None:
    import gzip

    push(store, gzip.compress(images.A), images.B)
    for options in (
        exporter.SaveOptions(),
        exporter.SaveOptions(exporter.Format.OCI, layers=exporter.Layers.PLAIN),
    ):
        with pytest.raises(DiffMismatch), exporter.open_save(store, ["pushed:1"], options=options):
            pass
    with exporter.open_save(
        store, ["pushed:1"], options=exporter.SaveOptions(exporter.Format.OCI)
    ) as export:
        export.write(io.BytesIO())
