"""Byte ranges of an archive, and the entity tag that identifies the archive's bytes."""

from __future__ import annotations

import io
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import exporter
from exporter.output.tar_range import ArchiveBlocks, identity
from exporter.planning.plan import Entry, EntryType, Plan
from store.errors import DamagedContent
from store.model.digests import Digest
from tests.support import images

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
def test_every_range_has_the_bytes_of_the_archive(kind: str, filled: Store) -> None:
    sink = io.BytesIO()
    with exporter.open_save(
        filled, ["demo:1"], options=exporter.SaveOptions(exporter.Format(kind))
    ) as export:
        export.write(sink)
        whole = sink.getvalue()
        with closing(export.blocks(whole=False)) as blocks:
            assert blocks.size_bytes == len(whole) == export.size_bytes
            for start in range(0, len(whole), 97):
                assert (
                    part(blocks, start, min(len(whole), start + 1500))
                    == whole[start : start + 1500]
                )
            assert part(blocks, 0, len(whole)) == whole


def test_a_range_reads_files_made_for_the_archive(tmp_path: Path, store: Store) -> None:
    made = tmp_path / "made"
    made.write_bytes(bytes(range(256)) * 10)
    plan = Plan((Entry("made", EntryType.FILE, 0o644, 0, 2560, made),))
    with closing(ArchiveBlocks(plan, store.blobs)) as blocks:
        assert part(blocks, 512 + 256, 512 + 2560) == made.read_bytes()[256:]
    before = identity(plan)
    made.write_bytes(bytes(2560))
    assert identity(plan) != before


def test_the_identity_changes_with_every_byte(filled: Store) -> None:
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


def test_damage_is_found_when_content_was_read_in_full(store: Store) -> None:
    from store import ImportOptions
    from store.formats.compression.settings import Compression

    store.import_archive(
        io.BytesIO(images.image(images.A, tags=("demo:1",)).bytes()),
        ImportOptions(compression=Compression(None)),
    )
    path = store.blobs.path(Digest.of(images.A))
    path.chmod(0o644)
    path.write_bytes(images.A.replace(b"alpha", b"ALPHA"))
    with (
        exporter.open_save(store, ["demo:1"]) as export,
        closing(export.blocks(whole=False)) as blocks,
    ):
        with pytest.raises(DamagedContent) as found:
            part(blocks, 0, blocks.size_bytes)
        assert found.value.digest == Digest.of(images.A)


# --- images that were pushed ----------------------------------------------------------------------
