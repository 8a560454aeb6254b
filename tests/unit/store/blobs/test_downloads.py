from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from store.blobs.downloads import KEPT_FOR, Download, Downloads
from store.blobs.folders import DOWNLOADS
from store.errors import Unavailable
from store.model.digests import Digest

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
A = Digest.of(b"a")
B = Digest.of(b"b", "sha512")


def begin(downloads: Downloads, digest: Digest) -> Download:
    download = downloads.open(digest)
    assert download is not None
    return download


def leave(downloads: Downloads, digest: Digest, data: bytes, written: datetime = NOW) -> Path:
    download = begin(downloads, digest)
    download.file.write(data)
    download.close()
    os.utime(download.path, (written.timestamp(),) * 2)
    return download.path


def test_a_download_continues_at_its_end(tmp_path: Path) -> None:
    downloads = Downloads(tmp_path)
    assert (downloads.size_bytes(A), downloads.interrupted()) == (0, [])
    path = leave(downloads, A, b"first, ")
    assert path == tmp_path / DOWNLOADS / f"sha256-{A.hex}"
    assert downloads.size_bytes(A) == 7
    download = begin(downloads, A)
    assert download.size_bytes == 7
    download.file.write(b"second")
    download.close()
    assert path.read_bytes() == b"first, second"


def test_one_download_of_a_blob_has_the_file_and_others_read_it(tmp_path: Path) -> None:
    downloads = Downloads(tmp_path)
    mine = begin(downloads, A)
    mine.file.write(b"bytes")
    assert downloads.open(A) is None
    assert Downloads(tmp_path).open(A) is None
    reader = downloads.read(A)
    assert reader is not None
    with reader:
        assert reader.read() == b"bytes"
    assert downloads.interrupted() == []
    mine.close()
    mine.close()
    begin(downloads, A).close()
    assert downloads.read(B) is None


def test_a_file_without_a_byte_does_not_stay(tmp_path: Path) -> None:
    begin(Downloads(tmp_path), A).close()
    assert list((tmp_path / DOWNLOADS).iterdir()) == []


def test_the_file_of_a_later_download_stays(tmp_path: Path) -> None:
    downloads = Downloads(tmp_path)
    empty = begin(downloads, A)
    # The empty blob was published, and then another process began to download it.
    empty.path.rename(tmp_path / "published")
    later = begin(downloads, A)
    empty.close()
    assert downloads.open(A) is None
    later.file.write(b"byte")
    later.close()
    assert downloads.size_bytes(A) == 4


def test_a_removed_file_is_not_used_by_whoever_opened_it_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloads = Downloads(tmp_path)
    leave(downloads, A, b"wrong")
    real_open = os.open
    removed: list[str] = []

    def removed_meanwhile(name: str, flags: int, *args: int, **others: int) -> int:
        descriptor = real_open(name, flags, *args, **others)
        is_file = name == f"sha256-{A.hex}" and not flags & os.O_CREAT
        if is_file and flags & os.O_RDWR and not removed:
            removed.append(name)
            (tmp_path / DOWNLOADS / name).unlink()
        return descriptor

    monkeypatch.setattr(os, "open", removed_meanwhile)
    download = begin(downloads, A)
    assert (download.size_bytes, removed) == (0, [f"sha256-{A.hex}"])
    download.remove()


def test_cut_and_remove(tmp_path: Path) -> None:
    downloads = Downloads(tmp_path)
    leave(downloads, A, b"0123456789")
    download = begin(downloads, A)
    download.cut(4)
    download.file.write(b"x")
    assert (download.size_bytes, download.path.read_bytes()) == (4, b"0123x")
    download.remove()
    assert not download.path.exists()


def test_removing_leaves_the_file_of_another_download(tmp_path: Path) -> None:
    downloads = Downloads(tmp_path)
    download = begin(downloads, A)
    download.file.write(b"published")
    # A published file has moved to its place among the blobs.
    download.path.rename(tmp_path / "blob")
    leave(downloads, A, b"of another")
    download.remove()
    assert downloads.size_bytes(A) == len(b"of another")
    assert (tmp_path / "blob").read_bytes() == b"published"


def test_old_files_go_and_the_oldest_above_the_ceiling(tmp_path: Path) -> None:
    downloads = Downloads(tmp_path, max_bytes=10)
    names = [Digest.of(str(number).encode()) for number in range(4)]
    for age, digest in enumerate(names):
        leave(downloads, digest, b"4444", NOW - timedelta(hours=age))
    (tmp_path / DOWNLOADS / "notes.txt").write_bytes(b"not ours")
    used = begin(downloads, B)
    used.file.write(b"in use, so it does not count")
    assert [one.digest for one in downloads.interrupted()] == names
    assert downloads.interrupted()[0].until == NOW + KEPT_FOR
    assert [one.digest for one in downloads.expired(NOW)] == names[2:]
    assert downloads.remove_expired(NOW) == [4, 4]
    assert downloads.expired(NOW + KEPT_FOR - timedelta(minutes=30)) == [
        one for one in downloads.interrupted() if one.digest == names[1]
    ]
    assert downloads.remove_expired(NOW + KEPT_FOR) == [4, 4]
    used.close()
    left = sorted(path.name for path in (tmp_path / DOWNLOADS).iterdir())
    assert left == ["notes.txt", f"sha512-{B.hex}"]


def test_a_file_that_was_taken_meanwhile_is_not_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloads = Downloads(tmp_path)
    leave(downloads, A, b"old")
    listed = downloads.expired(NOW + KEPT_FOR)
    taken = begin(downloads, A)
    monkeypatch.setattr(downloads, "expired", lambda _now: listed)
    assert downloads.remove_expired(NOW + KEPT_FOR) == []
    assert taken.path.exists()
    taken.close()


@pytest.mark.parametrize("place", ["folder", "file"])
def test_symbolic_links_are_not_followed(tmp_path: Path, place: str) -> None:
    root, victim = tmp_path / "root", tmp_path / "victim"
    root.mkdir()
    if place == "folder":
        victim.mkdir()
        (root / DOWNLOADS).symlink_to(victim)
    else:
        victim.write_bytes(b"precious")
        (root / DOWNLOADS).mkdir()
        (root / DOWNLOADS / f"sha256-{A.hex}").symlink_to(victim)
    downloads = Downloads(root)
    with pytest.raises(Unavailable):
        downloads.open(A)
    with pytest.raises(Unavailable):
        downloads.read(A)
    assert victim.is_dir() or victim.read_bytes() == b"precious"
