"""The contract of `store.blobs.protocol.BlobStore`, tested on every implementation."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from store.blobs.directory import DirectoryBlobs
from store.blobs.memory import MemoryBlobs
from store.content.reader import Reader
from store.model.digests import Digest
from tests.support.images import A, image

if TYPE_CHECKING:
    from collections.abc import Callable

    from store import Store
    from store.blobs.protocol import BlobStore, OpenBlob
    from store.model.digests import Location

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


@pytest.fixture
def publish(blobs: BlobStore, stage: Callable[[bytes], Path]) -> Callable[..., Location]:
    def put(data: bytes, digest: Digest | None = None) -> Location:
        location = blobs.location(digest or Digest.of(data))
        blobs.publish([(stage(data), location)])
        return location

    return put


def opened(blobs: BlobStore, location: Location) -> OpenBlob:
    blob = blobs.open(location)
    assert blob is not None
    return blob


def read(blobs: BlobStore, location: Location) -> bytes:
    with opened(blobs, location) as blob:
        return blob.read()


# --- locations ------------------------------------------------------------------------------------


@pytest.mark.parametrize("digest", [DIGEST, LONG])
def test_a_location_leads_back_to_its_digest(blobs: BlobStore, digest: Digest) -> None:
    assert blobs.digest(blobs.location(digest)) == digest


def test_locations_of_different_digests_differ(blobs: BlobStore) -> None:
    assert len({blobs.location(digest) for digest in (DIGEST, OTHER, LONG)}) == 3


def test_a_blob_gets_its_old_location_again_if_the_store_reuses_locations(
    blobs: BlobStore, publish: Callable[..., Location]
) -> None:
    first = publish(DATA)
    blobs.remove(first)
    assert (publish(DATA) == first) is blobs.reuses_locations


# --- publishing -----------------------------------------------------------------------------------


def test_an_empty_store_has_no_blobs(blobs: BlobStore) -> None:
    location = blobs.location(DIGEST)
    assert list(blobs.locations()) == []
    assert blobs.size(location) is None
    assert blobs.remove(location) == 0
    assert blobs.open(location) is None


def test_published_files_become_blobs_and_leave_staging(
    blobs: BlobStore, stage: Callable[[bytes], Path]
) -> None:
    first, second = stage(DATA), stage(b"other")
    one, two = blobs.location(DIGEST), blobs.location(OTHER)
    blobs.publish([(first, one), (second, two)])
    assert read(blobs, one) == DATA
    assert read(blobs, two) == b"other"
    assert (blobs.size(one), blobs.size(two)) == (len(DATA), 5)
    assert not first.exists()
    assert not second.exists()


def test_publishing_no_files_changes_nothing(blobs: BlobStore) -> None:
    blobs.publish(iter(()))
    assert list(blobs.locations()) == []


def test_put_twice_keeps_one_copy(blobs: BlobStore, stage: Callable[[bytes], Path]) -> None:
    location = blobs.location(DIGEST)
    blobs.publish([(stage(DATA), location)])
    again = stage(DATA)
    blobs.publish([(again, location)])
    assert not again.exists()
    assert list(blobs.locations()) == [location]
    assert read(blobs, location) == DATA


def test_publishing_over_a_damaged_blob_repairs_it(
    blobs: BlobStore, publish: Callable[..., Location]
) -> None:
    publish(b"rot", DIGEST)
    location = publish(DATA)
    assert read(blobs, location) == DATA
    assert blobs.size(location) == len(DATA)


def test_empty_blobs_are_blobs(blobs: BlobStore, publish: Callable[..., Location]) -> None:
    location = publish(b"")
    assert blobs.size(location) == 0
    assert read(blobs, location) == b""
    assert list(blobs.locations()) == [location]
    assert blobs.remove(location) == 0
    assert blobs.size(location) is None


def test_algorithms_do_not_mix(blobs: BlobStore, publish: Callable[..., Location]) -> None:
    long = publish(DATA, LONG)
    assert blobs.size(blobs.location(DIGEST)) is None
    assert list(blobs.locations()) == [long]
    short = publish(DATA)
    assert blobs.remove(long) == len(DATA)
    assert read(blobs, short) == DATA


def test_a_failing_publication_keeps_earlier_blobs_and_leaves_later_files_in_staging(
    blobs: BlobStore, stage: Callable[[bytes], Path], tmp_path: Path
) -> None:
    first, last = stage(DATA), stage(b"other")
    locations = [blobs.location(digest) for digest in (DIGEST, LONG, OTHER)]
    with pytest.raises(FileNotFoundError):
        blobs.publish(zip((first, tmp_path / "never", last), locations, strict=True))
    assert read(blobs, locations[0]) == DATA
    assert blobs.size(locations[1]) is None
    assert blobs.size(locations[2]) is None
    assert last.read_bytes() == b"other"


# --- reading --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "length"),
    [(0, 1), (0, len(DATA)), (100, 4096), (len(DATA) - 3, 3), (len(DATA) - 3, 9), (len(DATA), 5)],
)
def test_any_part_can_be_read_and_ends_with_the_blob(
    blobs: BlobStore, publish: Callable[..., Location], start: int, length: int
) -> None:
    with opened(blobs, publish(DATA)) as blob:
        assert blob.pread(start, length) == DATA[start : start + length]
        buffer = bytearray(length)
        count = blob.pread_into(start, buffer)
        assert buffer[:count] == DATA[start : start + length]
        assert buffer[count:] == bytes(length - count)


def test_a_part_can_be_read_into_a_part_of_a_buffer(
    blobs: BlobStore, publish: Callable[..., Location]
) -> None:
    buffer = bytearray(10)
    with opened(blobs, publish(DATA)) as blob:
        assert blob.pread_into(3, memoryview(buffer)[2:6]) == 4
    assert buffer == bytes(2) + DATA[3:7] + bytes(4)


def test_reading_goes_on_where_it_ended_whatever_parts_are_read(
    blobs: BlobStore, publish: Callable[..., Location]
) -> None:
    with opened(blobs, publish(DATA)) as blob:
        assert blob.size == len(DATA)
        assert blob.read(7) == DATA[:7]
        assert blob.pread(100, 5) == DATA[100:105]
        assert blob.read(5) == DATA[7:12]
        assert blob.read() == DATA[12:]
        assert blob.read(1) == b""


def test_readers_do_not_share_a_position(
    blobs: BlobStore, publish: Callable[..., Location]
) -> None:
    location = publish(DATA)
    with opened(blobs, location) as one, opened(blobs, location) as two:
        one.read(50)
        assert two.read(3) == DATA[:3]


def test_threads_may_read_parts_of_one_open_blob(
    blobs: BlobStore, publish: Callable[..., Location]
) -> None:
    with opened(blobs, publish(DATA)) as blob, ThreadPoolExecutor(4) as pool:
        parts = pool.map(lambda start: blob.pread(start, 16), range(0, len(DATA), 16))
        assert b"".join(parts) == DATA


def test_a_file_that_is_offered_to_the_kernel_holds_exactly_the_blob(
    blobs: BlobStore, publish: Callable[..., Location]
) -> None:
    with opened(blobs, publish(DATA)) as blob:
        file = blob.as_file()
        assert (file is not None) is isinstance(blobs, DirectoryBlobs)
        if file is not None:
            assert not file.writable()
            assert Path(f"/proc/self/fd/{file.fileno()}").read_bytes() == DATA


def test_open_blobs_outlive_removal_and_replacement(
    blobs: BlobStore, publish: Callable[..., Location]
) -> None:
    location = publish(DATA)
    with opened(blobs, location) as blob:
        assert blob.read(10) == DATA[:10]
        publish(DATA)
        blobs.remove(location)
        assert blob.read() == DATA[10:]


# --- removing and listing -------------------------------------------------------------------------


def test_removal_frees_the_blob_once(blobs: BlobStore, publish: Callable[..., Location]) -> None:
    location, other = publish(DATA), publish(b"other")
    assert blobs.remove(location) == len(DATA)
    assert blobs.remove(location) == 0
    assert list(blobs.locations()) == [other]
    assert blobs.open(location) is None
    assert read(blobs, publish(DATA)) == DATA


def test_every_blob_is_listed_once_even_if_blobs_are_removed_meanwhile(
    blobs: BlobStore, publish: Callable[..., Location]
) -> None:
    many = sorted(publish(b"%d" % number) for number in range(300))
    assert sorted(blobs.locations()) == many
    seen = []
    for location in blobs.locations():
        seen.append(location)
        blobs.remove(location)
    assert sorted(seen) == many
    assert list(blobs.locations()) == []


def test_the_reader_reads_an_import_from_any_blob_store(
    blobs: BlobStore, store: Store, publish: Callable[..., Location]
) -> None:
    """The reader reads a real layer frame by frame, and needs only the methods of the contract."""
    store.import_archive(io.BytesIO(image(A).bytes()))
    for digest in store.blobs.digests():
        publish(store.blobs.path(digest).read_bytes(), digest)
    diff = Digest.of(A)
    with Reader(blobs) as reader:
        assert b"".join(reader.chunks(store.sources((diff,))[diff])) == A
