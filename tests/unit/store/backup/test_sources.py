from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from store.backup.archive import planned
from store.backup.report import FaultKind
from store.backup.sources import ArchiveSource, FaultyFile, FolderSource, pass_file_on
from store.errors import IntegrityError, InvalidInput, NotFound, TruncatedInput, Unavailable
from store.model.progress import Silent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from store import Store
    from store.backup.generation import ListedBlob
    from store.backup.repository import Repository
    from store.backup.sources import Fill, Source

    Change = Callable[[tarfile.TarInfo, bytes], list[tuple[str, bytes]]]


@pytest.fixture
def archive(filled: Store, tmp_path: Path) -> bytes:
    out = io.BytesIO()
    (tmp_path / "t").mkdir()
    with planned(filled, tmp_path / "t") as plan:
        plan.write(out.write, None)  # type: ignore[arg-type]
    return out.getvalue()


def opened(data: bytes, *, seekable: bool = True) -> ArchiveSource:
    return ArchiveSource(io.BytesIO(data), "x.tar", seekable=seekable)


def read(source: Source) -> tuple[bytes, dict[str, bytes], list[FaultKind]]:
    catalogue = bytearray()
    source.copy_catalogue(catalogue.extend)
    found = {}

    def receive(blob: ListedBlob, fill: Fill) -> None:
        data = bytearray()
        fill(data.extend)
        found[str(blob.digest)] = bytes(data)

    faults = source.each_blob(lambda _: True, receive, Silent())
    return bytes(catalogue), found, [fault.kind for fault in faults]


def stored(store: Store) -> dict[str, bytes]:
    return {str(one): store.blobs.path(one).read_bytes() for one in store.blobs.digests()}


def changed(data: bytes, change: Change) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as old, tarfile.open(fileobj=out, mode="w") as new:
        for member in old:
            file = old.extractfile(member)
            assert file is not None
            for name, content in change(member, file.read()):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                new.addfile(info, io.BytesIO(content))
    return out.getvalue()


@pytest.mark.parametrize("seekable", [True, False])
def test_an_archive_gives_everything(filled: Store, archive: bytes, *, seekable: bool) -> None:
    catalogue, found, faults = read(opened(archive, seekable=seekable))
    assert catalogue.startswith(b"SQLite format 3")
    assert (found, faults) == (stored(filled), [])


def test_a_folder_gives_everything(filled: Store, repository: Repository) -> None:
    source = FolderSource(repository, repository.names()[0])
    catalogue, found, faults = read(source)
    assert catalogue.startswith(b"SQLite format 3")
    assert (found, faults) == (stored(filled), [])
    assert source.each_blob(lambda _: False, lambda *_: None, Silent()) == []
    with pytest.raises(NotFound):
        FolderSource(repository, "20200101T000000Z")


def test_faults_of_a_folder_are_told_apart(repository: Repository) -> None:
    source = FolderSource(repository, repository.names()[0])
    one, two = sorted(repository.blobs())
    path = repository.blob(one)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    repository.blob(two).unlink()
    assert sorted(read(source)[2]) == [FaultKind.DAMAGED, FaultKind.MISSING]
    path.write_bytes(data + b"x")
    assert sorted(read(source)[2]) == [FaultKind.DAMAGED, FaultKind.MISSING]
    path.write_bytes(data)
    path.unlink()
    path.mkdir()
    assert sorted(read(source)[2]) == [FaultKind.MISSING, FaultKind.UNREADABLE]


def test_a_damaged_catalogue_ends_the_restore(repository: Repository, archive: bytes) -> None:
    name = repository.names()[0]
    source = FolderSource(repository, name)
    path = repository.catalogue(name)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match="damaged"):
        source.copy_catalogue(lambda _: None)
    path.unlink()
    with pytest.raises(IntegrityError, match="missing"):
        source.copy_catalogue(lambda _: None)
    path.mkdir()
    with pytest.raises(Unavailable):
        source.copy_catalogue(lambda _: None)
    at = archive.index(b"SQLite format 3")
    with pytest.raises(IntegrityError, match="damaged"):
        opened(archive[: at + 100] + b"\x99" + archive[at + 101 :]).copy_catalogue(lambda _: None)


def test_a_damaged_blob_of_an_archive_is_a_fault(filled: Store, archive: bytes) -> None:
    blob = max(stored(filled).values(), key=len)
    at = archive.index(blob)
    damaged = archive[:at] + bytes([archive[at] ^ 1]) + archive[at + 1 :]
    assert read(opened(damaged))[2] == [FaultKind.DAMAGED]


def test_an_archive_that_ends_between_members_lacks_the_others(archive: bytes) -> None:
    short = changed(archive, lambda one, data: [] if "blobs/" in one.name else [(one.name, data)])
    assert read(opened(short))[2] == [FaultKind.MISSING] * 2


def test_an_archive_that_is_cut_is_refused(archive: bytes) -> None:
    with pytest.raises(TruncatedInput):
        read(opened(archive[: archive.rindex(b"blobs/sha256") + 600]))


def rename(suffix: str) -> Change:
    return lambda one, data: [(one.name + suffix if "blobs/" in one.name else one.name, data)]


@pytest.mark.parametrize(
    "change",
    [
        rename("0"),
        rename("/../../../../etc/passwd"),
        lambda one, data: [(one.name, data), (one.name, data)],
        lambda one, data: [(one.name, data + b"x" * ("blobs/" in one.name))],
        lambda one, data: [(one.name, data)] if one.name != "blobs.txt" else [],
        lambda one, data: [(one.name, data + b" " * (one.name == "blobs.txt"))],
        lambda one, data: [(one.name, b"x" if one.name == "generation.json" else data)],
        lambda one, data: [("other", b"")] if "backup" in one.name else [(one.name, data)],
    ],
)
def test_an_unexpected_archive_is_refused(archive: bytes, change: Change) -> None:
    with pytest.raises(InvalidInput):
        read(opened(changed(archive, change)))


@pytest.mark.parametrize("data", [b"", b"x" * 1024, bytes(10240)])
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput):
        opened(data)


def test_members_may_have_the_prefix_of_tar(filled: Store, archive: bytes) -> None:
    dotted = changed(archive, lambda one, data: [(f"./{one.name}", data)])
    assert read(opened(dotted))[1:] == (stored(filled), [])


def test_links_in_place_of_files_are_refused(archive: bytes, repository: Repository) -> None:
    out = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(archive)) as old,
        tarfile.open(fileobj=out, mode="w") as new,
    ):
        for member in old:
            if member.name.startswith("blobs/"):
                member.type, member.linkname, member.size = tarfile.SYMTYPE, "/etc/passwd", 0
            new.addfile(member, old.extractfile(member) if member.isreg() else None)
    with pytest.raises(InvalidInput, match="unexpected member"):
        read(opened(out.getvalue()))
    path = repository.blob(next(iter(repository.blobs())))
    path.rename(path.with_name("moved"))
    path.symlink_to("moved")
    source = FolderSource(repository, repository.names()[0])
    assert read(source)[2] == [FaultKind.UNREADABLE]


def test_a_file_is_compared_with_its_description(repository: Repository) -> None:
    name = repository.names()[0]
    part = repository.generation(name).list
    path = repository.path / "generations" / name / "blobs.txt"
    got = bytearray()
    pass_file_on(path, part, got.extend)
    assert bytes(got) == path.read_bytes()
    os.truncate(path, 3)
    with pytest.raises(FaultyFile):
        pass_file_on(path, part, lambda _: None)
