from __future__ import annotations

import bz2
import gzip
import hashlib
from typing import TYPE_CHECKING

import pytest
import zstandard

from store.blobs.directory import DirectoryBlobs
from store.content.decoding import Decoding
from store.model.contents import Codec
from store.model.digests import Digest
from store.model.limits import Limits
from store.model.progress import Silent
from store.rescue.files import FileReader, StoredFile

if TYPE_CHECKING:
    from pathlib import Path

DATA = b"some layer " * 1000


def stored(root: Path, data: bytes, digest: Digest | None = None) -> Digest:
    digest = digest or Digest.of(data)
    path = DirectoryBlobs(root).path(digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return digest


def reader(root: Path, **limits: int) -> FileReader:
    (root / "blobs").mkdir(exist_ok=True)
    return FileReader(
        DirectoryBlobs(root), Decoding(Limits(**limits)), Silent(), ("sha256", "sha512")
    )


@pytest.mark.parametrize(
    ("codec", "data"),
    [
        (Codec.GZIP, gzip.compress(DATA, mtime=0)),
        (Codec.ZSTD, zstandard.compress(DATA)),
        (Codec.BZIP2, bz2.compress(DATA)),
    ],
)
def test_a_layer_is_recognised_by_its_bytes(tmp_path: Path, codec: Codec, data: bytes) -> None:
    digest = stored(tmp_path, data)
    found = reader(tmp_path).read(digest)
    assert found.is_sound
    assert found.codec is codec
    assert found.decoded == (Digest.of(DATA), Digest.of(DATA, "sha512"))
    assert found.decoded_bytes == len(DATA)


def test_plain_bytes_are_only_hashed(tmp_path: Path) -> None:
    found = reader(tmp_path).read(stored(tmp_path, DATA))
    assert found == StoredFile(Digest.of(DATA), len(DATA), is_sound=True)


@pytest.mark.parametrize(
    "data", [DATA, gzip.compress(DATA, mtime=0), gzip.compress(DATA, mtime=0)[:-9] + b"x"]
)
def test_wrong_bytes_are_not_sound(tmp_path: Path, data: bytes) -> None:
    digest = stored(tmp_path, data, Digest("sha256", hashlib.sha256(b"other").hexdigest()))
    found = reader(tmp_path).read(digest)
    assert (found.is_sound, found.is_readable, found.decoded) == (False, True, ())


def test_a_blob_that_does_not_decode_is_sound(tmp_path: Path) -> None:
    data = gzip.compress(DATA, mtime=0)[:-9]
    found = reader(tmp_path).read(stored(tmp_path, data))
    assert (found.is_sound, found.decoded) == (True, ())


def test_a_bomb_is_not_decoded_beyond_the_ceiling(tmp_path: Path) -> None:
    digest = stored(tmp_path, gzip.compress(bytes(1_000_000)))
    assert reader(tmp_path, layer_bytes=100_000).read(digest).decoded == ()
    assert reader(tmp_path, ratio=10, free_bytes=0).read(digest).decoded == ()
    assert reader(tmp_path).read(digest).decoded_bytes == 1_000_000


def test_a_missing_or_unreadable_file_is_not_judged(tmp_path: Path) -> None:
    read = reader(tmp_path).read
    assert read(Digest.of(b"nothing")) == StoredFile(
        Digest.of(b"nothing"), 0, is_sound=False, is_readable=False
    )
    digest = Digest.of(b"folder")
    DirectoryBlobs(tmp_path).path(digest).mkdir(parents=True)
    assert not read(digest).is_readable


def test_files_come_in_their_order(tmp_path: Path) -> None:
    digests = [stored(tmp_path, b"%d" % number) for number in range(50)]
    found = reader(tmp_path).read_all(digests, 3)
    assert [one.digest for one in found] == digests
