from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from store.backup.archive import planned
from store.backup.checking import check_archive, check_folder
from store.backup.folder_backup import back_up_to_folder
from store.backup.report import CheckReport, FaultKind
from store.backup.sources import ArchiveSource
from store.errors import IntegrityError
from tests.conftest import NOW

if TYPE_CHECKING:
    from pathlib import Path

    from store import Store
    from store.backup.repository import Repository


def check(repository: Repository) -> CheckReport:
    return check_folder(repository, repository.names(), now=lambda: NOW)


def test_a_sound_backup_has_no_faults(filled: Store, repository: Repository) -> None:
    back_up_to_folder(filled, repository.path)
    report = check(repository)
    assert (len(report.generations), report.blobs, report.faults) == (2, 2, ())
    assert report.blob_bytes == sum(repository.blobs().values())


def test_every_changed_byte_is_found(repository: Repository) -> None:
    """Change one bit of each file, in the middle; each change is found where it was made."""
    files = [path for path in repository.path.rglob("*") if path.is_file() and path.stat().st_size]
    files = [path for path in files if path.name != "storectl-backup.json"]
    assert len(files) == 5
    for path in files:
        data = path.read_bytes()
        middle = len(data) // 2
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 16]) + data[middle + 1 :])
        faults = check(repository).faults
        assert len(faults) == 1, path
        assert faults[0].kind is FaultKind.DAMAGED
        assert path.name in f"{faults[0].subject} generation.json blobs.txt"
        path.write_bytes(data)
        for aside in repository.path.rglob("*.damaged"):
            aside.unlink()
    assert check(repository).faults == ()


def test_faults_name_images_and_generations(filled: Store, repository: Repository) -> None:
    back_up_to_folder(filled, repository.path)
    one, two = sorted(repository.blobs())
    repository.blob(one).unlink()
    path = repository.blob(two)
    path.write_bytes(b"x" * path.stat().st_size)
    first, second = check(repository).faults
    assert [first.kind, second.kind] == [FaultKind.MISSING, FaultKind.DAMAGED]
    assert {*first.images, *second.images} == {"docker.io/library/a:1", "docker.io/library/ab:1"}
    assert first.generations == second.generations == tuple(repository.names())


def test_the_next_backup_mends_what_the_store_has(filled: Store, repository: Repository) -> None:
    one, two = sorted(repository.blobs())
    path = repository.blob(one)
    path.write_bytes(b"x" * path.stat().st_size)
    assert len(check(repository).faults) == 1
    assert back_up_to_folder(filled, repository.path).new_blobs == 1
    assert check(repository).faults == ()
    assert list(path.parent.glob("*.damaged")) == []
    del two


def test_a_missing_document_is_a_fault(repository: Repository) -> None:
    name = repository.names()[0]
    for file in ("blobs.txt", "store.db", "generation.json"):
        path = repository.path / "generations" / name / file
        data = path.read_bytes()
        path.unlink()
        (fault,) = check(repository).faults
        assert fault.generations == (name,)
        path.write_bytes(data)


def test_an_archive_is_checked(filled: Store, tmp_path: Path) -> None:
    out = io.BytesIO()
    with planned(filled, tmp_path) as plan:
        plan.write(out.write, None)  # type: ignore[arg-type]
    data = out.getvalue()

    def checked(data: bytes) -> CheckReport:
        source = ArchiveSource(io.BytesIO(data), "x.tar", seekable=False)
        return check_archive(source, now=lambda: NOW)

    assert checked(data).faults == ()
    at = data.rindex(b"blobs/sha256") + 512
    (fault,) = checked(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]).faults
    assert (fault.kind, fault.generations) == (FaultKind.DAMAGED, (plan.generation.id,))
    assert fault.images
    at = data.index(b"SQLite format 3") + 2000
    with pytest.raises(IntegrityError):
        checked(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
