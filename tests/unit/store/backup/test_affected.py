from __future__ import annotations

from typing import TYPE_CHECKING

from store.backup.affected import with_images
from store.backup.report import Fault, FaultKind
from tests.conftest import NOW

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from store import Store
    from store.backup.repository import Repository


def test_the_images_of_a_blob_are_named(filled: Store, repository: Repository) -> None:
    faults = [Fault(FaultKind.MISSING, str(one), "lost") for one in filled.blobs.digests()]
    faults.append(Fault(FaultKind.DAMAGED, "generations/x/blobs.txt", "wrong"))
    catalogue = repository.catalogue(repository.names()[0])
    before = catalogue.read_bytes()
    found = with_images(faults, catalogue, lambda: NOW)
    assert sorted(fault.images for fault in found) == [
        (),
        ("docker.io/library/a:1", "docker.io/library/ab:1"),
        ("docker.io/library/ab:1",),
    ]
    assert catalogue.read_bytes() == before
    assert [path.name for path in catalogue.parent.iterdir() if "store.db" in path.name] == [
        "store.db"
    ]
    assert with_images([], catalogue, lambda: NOW) == []


def test_an_unreadable_catalogue_names_no_images(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    faults = [Fault(FaultKind.MISSING, "sha256:" + "0" * 64, "lost")]
    assert with_images(faults, tmp_path / "none", lambda: NOW) == faults
    (tmp_path / "bad").write_bytes(b"no database" * 100)
    assert with_images(faults, tmp_path / "bad", lambda: NOW) == faults
    assert len(caplog.records) == 2
