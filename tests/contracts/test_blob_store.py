"""What every place for blobs must do (`store.blobs.protocol.BlobStore`), asked of each of them."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from store import errors
from store.blobs import cached_open as cached
from store.blobs import directory
from store.blobs.directory import DirectoryBlobs, require_one_file_system
from store.blobs.memory import MemoryBlobs
from store.content.reader import Reader
from store.model.digests import Digest
from tests.support.images import A, image

if TYPE_CHECKING:
    from collections.abc import Callable

    from store import Store
    from store.blobs.protocol import BlobStore

DATA = bytes(range(256)) * 40
DIGEST = Digest.of(DATA)
OTHER = Digest.of(b"other")
LONG = Digest.of(DATA, "sha512")


@pytest.fixture(params=["memory", "directory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    if request.param == "memory":
        return MemoryBlobs()
    (tmp_path / "blobs").mkdir()
    return DirectoryBlobs(tmp_path)


@pytest.fixture
def stage(tmp_path: Path) -> Callable[[bytes], Path]:
    folder = tmp_path / "staging"
    folder.mkdir()

    def write(data: bytes) -> Path:
        path = folder / str(len(list(folder.iterdir())))
        path.write_bytes(data)
        return path

    return write


def read(blobs: BlobStore, digest: Digest) -> bytes:
    with blobs.open(digest) as file:
        return file.read()


def test_what_has_just_been_read_can_be_opened_at_once(
    blobs: BlobStore, stage: Callable[[bytes], Path]
) -> None:
    assert blobs.open_if_cached(DIGEST) is None
    blobs.publish([(stage(DATA), DIGEST)])
    assert read(blobs, DIGEST) == DATA
    file = blobs.open_if_cached(DIGEST)
    if file is None:
        assert cached.open_cached(Path(__file__)) is None, "nobody can ask this kernel"
    else:
        with file:
            assert file.read() == DATA
            assert file.seek(-3, os.SEEK_END) == len(DATA) - 3
    blobs.remove(DIGEST)
    assert blobs.open_if_cached(DIGEST) is None


def test_where_the_kernel_cannot_be_asked_nothing_is_opened_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cached, "_syscall", None)
    assert cached.open_cached(Path(__file__)) is None


def test_nothing_but_a_file_is_opened_at_once(tmp_path: Path) -> None:
    """Whatever somebody has put in its place: no descriptor stays open, and nobody waits for the other end of a FIFO."""
    folder, fifo, descriptors = tmp_path / "folder", tmp_path / "fifo", Path("/proc/self/fd")
    folder.mkdir()
    os.mkfifo(fifo)
    for path in (folder, fifo):
        assert path.exists()
        before = len(list(descriptors.iterdir()))
        assert cached.open_cached(path) is None
        assert len(list(descriptors.iterdir())) == before


def test_nothing_is_there_at_first(blobs: BlobStore) -> None:
    assert list(blobs.digests()) == []
    assert blobs.size(DIGEST) is None
    assert blobs.remove(DIGEST) == 0
    with pytest.raises(errors.ContentMissing) as caught:
        blobs.open(DIGEST)
    assert caught.value.digest == DIGEST


def test_published_files_become_blobs_and_leave_staging(
    blobs: BlobStore, stage: Callable[[bytes], Path]
) -> None:
    first, second = stage(DATA), stage(b"other")
    blobs.publish([(first, DIGEST), (second, OTHER)])
    assert read(blobs, DIGEST) == DATA
    assert read(blobs, OTHER) == b"other"
    assert (blobs.size(DIGEST), blobs.size(OTHER)) == (len(DATA), 5)
    assert not first.exists()
    assert not second.exists()


def test_publishing_nothing_is_nothing(blobs: BlobStore) -> None:
    blobs.publish(iter(()))
    assert list(blobs.digests()) == []


def test_put_twice_keeps_one_copy(blobs: BlobStore, stage: Callable[[bytes], Path]) -> None:
    blobs.publish([(stage(DATA), DIGEST)])
    again = stage(DATA)
    blobs.publish([(again, DIGEST)])
    assert not again.exists()
    assert list(blobs.digests()) == [DIGEST]
    assert read(blobs, DIGEST) == DATA


def test_publishing_over_a_damaged_blob_repairs_it(
    blobs: BlobStore, stage: Callable[[bytes], Path]
) -> None:
    blobs.publish([(stage(b"rot"), DIGEST)])
    blobs.publish([(stage(DATA), DIGEST)])
    assert read(blobs, DIGEST) == DATA
    assert blobs.size(DIGEST) == len(DATA)


def test_empty_blobs_are_blobs(blobs: BlobStore, stage: Callable[[bytes], Path]) -> None:
    empty = Digest.of(b"")
    blobs.publish([(stage(b""), empty)])
    assert blobs.size(empty) == 0
    assert read(blobs, empty) == b""
    assert list(blobs.digests()) == [empty]
    assert blobs.remove(empty) == 0
    assert blobs.size(empty) is None


def test_algorithms_do_not_mix(blobs: BlobStore, stage: Callable[[bytes], Path]) -> None:
    blobs.publish([(stage(DATA), LONG)])
    assert blobs.size(DIGEST) is None
    assert list(blobs.digests()) == [LONG]
    blobs.publish([(stage(DATA), DIGEST)])
    assert blobs.remove(LONG) == len(DATA)
    assert read(blobs, DIGEST) == DATA


@pytest.mark.parametrize(
    ("start", "length"), [(0, 1), (0, len(DATA)), (100, 4096), (len(DATA) - 3, 3), (len(DATA), 0)]
)
def test_any_range_can_be_read(
    blobs: BlobStore, stage: Callable[[bytes], Path], start: int, length: int
) -> None:
    blobs.publish([(stage(DATA), DIGEST)])
    with blobs.open(DIGEST) as file:
        assert file.seekable()
        assert file.seek(start) == start
        assert file.read(length) == DATA[start : start + length]
        assert file.tell() == start + length


def test_reading_begins_at_the_start_ends_at_the_end_and_seeks_from_it(
    blobs: BlobStore, stage: Callable[[bytes], Path]
) -> None:
    blobs.publish([(stage(DATA), DIGEST)])
    with blobs.open(DIGEST) as file:
        assert file.read(7) == DATA[:7]
        assert file.seek(0, os.SEEK_END) == len(DATA)
        assert file.read(1) == b""
        assert file.seek(-9, os.SEEK_END) == len(DATA) - 9
        assert file.read(100) == DATA[-9:]


def test_readers_do_not_share_a_position(blobs: BlobStore, stage: Callable[[bytes], Path]) -> None:
    blobs.publish([(stage(DATA), DIGEST)])
    with blobs.open(DIGEST) as one, blobs.open(DIGEST) as two:
        one.seek(50)
        assert two.read(3) == DATA[:3]


def test_what_is_open_cannot_be_written(blobs: BlobStore, stage: Callable[[bytes], Path]) -> None:
    blobs.publish([(stage(DATA), DIGEST)])
    with blobs.open(DIGEST) as file:
        assert not file.writable()
        with pytest.raises(io.UnsupportedOperation):
            file.write(b"x")
    assert read(blobs, DIGEST) == DATA


def test_open_blobs_outlive_removal_and_replacement(
    blobs: BlobStore, stage: Callable[[bytes], Path]
) -> None:
    blobs.publish([(stage(DATA), DIGEST)])
    with blobs.open(DIGEST) as file:
        assert file.read(10) == DATA[:10]
        blobs.publish([(stage(DATA), DIGEST)])
        blobs.remove(DIGEST)
        assert file.read() == DATA[10:]


def test_removal_frees_the_blob_once(blobs: BlobStore, stage: Callable[[bytes], Path]) -> None:
    blobs.publish([(stage(DATA), DIGEST), (stage(b"other"), OTHER)])
    assert blobs.remove(DIGEST) == len(DATA)
    assert blobs.remove(DIGEST) == 0
    assert list(blobs.digests()) == [OTHER]
    with pytest.raises(errors.ContentMissing):
        blobs.open(DIGEST)
    blobs.publish([(stage(DATA), DIGEST)])
    assert read(blobs, DIGEST) == DATA


def test_listing_tells_every_blob_once_and_bears_removal_meanwhile(
    blobs: BlobStore, stage: Callable[[bytes], Path]
) -> None:
    many = {Digest.of(b"%d" % number): b"%d" % number for number in range(300)}
    blobs.publish((stage(data), digest) for digest, data in many.items())
    assert sorted(blobs.digests()) == sorted(many)
    seen = []
    for digest in blobs.digests():
        seen.append(digest)
        blobs.remove(digest)
    assert sorted(seen) == sorted(many)
    assert list(blobs.digests()) == []


def test_a_failing_publication_leaves_those_before_it_as_blobs_and_the_rest_in_staging(
    blobs: BlobStore, stage: Callable[[bytes], Path], tmp_path: Path
) -> None:
    first, last = stage(DATA), stage(b"other")
    with pytest.raises(FileNotFoundError):
        blobs.publish([(first, DIGEST), (tmp_path / "never", LONG), (last, OTHER)])
    assert read(blobs, DIGEST) == DATA
    assert blobs.size(LONG) is None
    assert blobs.size(OTHER) is None
    assert last.read_bytes() == b"other"


def test_the_reader_reads_an_import_from_any_place(
    blobs: BlobStore, store: Store, stage: Callable[[bytes], Path]
) -> None:
    """The promises together are all that reading a real layer, frame by frame, needs."""
    store.import_archive(io.BytesIO(image(A).bytes()))
    blobs.publish(
        (stage(store.blobs.path(digest).read_bytes()), digest) for digest in store.blobs.digests()
    )
    diff = Digest.of(A)
    with Reader(blobs) as reader:
        assert b"".join(reader.chunks(store.sources((diff,))[diff])) == A


# --- the folder alone -----------------------------------------------------------------------------


def test_files_that_are_no_blobs_are_left_alone(tmp_path: Path) -> None:
    blobs = DirectoryBlobs(tmp_path)
    for name in ("README", "sha256/ab/notes.txt", "sha256/stray", "sha257/ab/" + "ab" * 32):
        (tmp_path / "blobs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "blobs" / name).write_bytes(b"mine")
    assert list(blobs.digests()) == []


def test_every_folder_on_the_way_to_a_new_blob_is_made_durable(
    tmp_path: Path, stage: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that were there: who made them may have died before syncing them."""
    blobs = DirectoryBlobs(tmp_path)
    blobs.path(DIGEST).parent.mkdir(parents=True)
    synced: list[Path] = []
    monkeypatch.setattr(directory, "sync_folder", synced.append)
    blobs.publish([(stage(DATA), DIGEST)])
    fan = blobs.path(DIGEST).parent
    assert set(synced) == {fan, fan.parent, fan.parent.parent}


def test_what_the_folder_refuses_is_a_store_error(
    tmp_path: Path, stage: Callable[[bytes], Path]
) -> None:
    blobs = DirectoryBlobs(tmp_path)
    (tmp_path / "blobs").write_bytes(b"no folder")
    staged = stage(DATA)
    for act in (
        lambda: blobs.publish([(staged, DIGEST)]),
        lambda: blobs.open(DIGEST),
        lambda: blobs.size(DIGEST),
        lambda: blobs.remove(DIGEST),
    ):
        with pytest.raises(errors.Unavailable):
            act()
    assert staged.read_bytes() == DATA


def test_a_store_on_two_file_systems_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pathlib import Path as RealPath

    (tmp_path / "blobs").mkdir()
    require_one_file_system(tmp_path)
    real = RealPath.stat

    def elsewhere(path: Path, **options: bool) -> os.stat_result:
        found = real(path, **options)
        return (
            os.stat_result((*found[:2], found.st_dev + 1, *found[3:10]))
            if path.name == "blobs"
            else found
        )

    monkeypatch.setattr(RealPath, "stat", elsewhere)
    with pytest.raises(errors.Unavailable):
        require_one_file_system(tmp_path)
