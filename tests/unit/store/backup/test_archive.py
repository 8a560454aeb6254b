from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from store import Store
from store.backup.archive import header, member_name, padding, planned
from store.backup.report import FaultKind
from store.model.digests import Digest

if TYPE_CHECKING:
    from pathlib import Path

    from store.backup.report import BackupReport


def written(store: Store, folder: Path) -> tuple[bytes, BackupReport, int]:
    out = io.BytesIO()
    folder.mkdir()
    with planned(store, folder) as plan:
        report = plan.write(out.write, None)  # type: ignore[arg-type]
        return out.getvalue(), report, plan.size_bytes


def test_the_length_is_known_before(filled: Store, tmp_path: Path) -> None:
    data, report, size = written(filled, tmp_path / "t")
    assert len(data) == size
    assert (report.generation.blobs, report.new_blobs, report.faults) == (2, 2, ())


def test_an_unpacked_archive_is_a_store(filled: Store, tmp_path: Path) -> None:
    data, _, _ = written(filled, tmp_path / "t")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames()[:4] == [
            "storectl-backup.json",
            "generation.json",
            "blobs.txt",
            "store.db",
        ]
        archive.extractall(tmp_path / "out", filter="data")
    with Store.open(tmp_path / "out") as store:
        assert list(store.fsck()) == []
        assert len(store.images()) == len(filled.images())


def test_damaged_content_keeps_the_length(filled: Store, tmp_path: Path) -> None:
    one, two = sorted(filled.blobs.digests())
    filled.blobs.path(one).write_bytes(b"short")
    filled.blobs.path(two).unlink()
    data, report, size = written(filled, tmp_path / "t")
    assert len(data) == size
    assert {fault.subject: fault.kind for fault in report.faults} == {
        str(one): FaultKind.DAMAGED,
        str(two): FaultKind.MISSING,
    }
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames()[4:] == [member_name(one)]


def test_a_blob_may_vanish_after_the_plan(filled: Store, tmp_path: Path) -> None:
    out = io.BytesIO()
    with planned(filled, tmp_path) as plan:
        for digest in filled.blobs.digests():
            filled.blobs.path(digest).unlink()
        report = plan.write(out.write, None)  # type: ignore[arg-type]
        assert len(out.getvalue()) == plan.size_bytes
    assert [fault.kind for fault in report.faults] == [FaultKind.MISSING] * 2


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("size", [0, 511, 512, 9 * 2**30])
def test_every_header_is_read_by_other_programs(algorithm: str, size: int) -> None:
    name = member_name(Digest.of(b"x", algorithm))
    block = header(name, size, 1_700_000_000)
    assert len(block) % 512 == 0
    with tarfile.open(fileobj=io.BytesIO(block)) as archive:
        found = archive.next()
    assert found is not None
    assert (found.name, found.size, found.mtime) == (name, size, 1_700_000_000)
    assert (size + padding(size)) % 512 == 0
