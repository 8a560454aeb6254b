from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pytest

from store.errors import MissingMember, StorageFull
from store.formats.compression.settings import Compression
from store.importing import room as room_module
from store.importing.room import Room

if TYPE_CHECKING:
    from pathlib import Path

    from store.importing.members.members import Members

PLAIN, GZIP, BZIP2 = b"plain", gzip.compress(b"x"), b"BZh91AY&SY"


class Sizes:
    """Members with known sizes and first bytes, and nothing else."""

    def __init__(self, **files: tuple[int, bytes]) -> None:
        self._files = files

    def size(self, path: str) -> int:
        if path not in self._files:
            raise MissingMember("missing", member=path)
        return self._files[path][0]

    def head(self, path: str) -> bytes | None:
        self.size(path)
        return self._files[path][1]


def members(**files: tuple[int, bytes]) -> Members:
    return Sizes(**files)  # type: ignore[return-value]  # the other methods are not used


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    found = {"bytes": 1000}
    monkeypatch.setattr(room_module, "free_bytes", lambda _folder: found["bytes"])
    return found


@pytest.fixture
def room(tmp_path: Path, free: dict[str, int]) -> Room:
    del free
    return Room(tmp_path, Compression())


def test_a_layer_that_is_kept_needs_its_size(room: Room) -> None:
    room.require(members(a=(1000, GZIP)), ["a"])
    with pytest.raises(StorageFull) as caught:
        room.require(members(b=(1001, GZIP)), ["b"])
    assert "2001 bytes are needed, and 1000 bytes are free" in caught.value.message


def test_a_plain_layer_may_be_compressed_to_anything(room: Room) -> None:
    room.require(members(a=(10**12, PLAIN)), ["a"])


def test_a_plain_layer_that_is_not_compressed_needs_its_size(
    tmp_path: Path, free: dict[str, int]
) -> None:
    del free
    room = Room(tmp_path, Compression(level=None))
    with pytest.raises(StorageFull):
        room.require(members(a=(1001, PLAIN)), ["a"])


def test_a_path_counts_once_and_an_unknown_one_not_at_all(room: Room) -> None:
    room.require(members(a=(600, GZIP)), ["a", "a", "missing"])


def test_other_blobs_need_their_sizes(room: Room) -> None:
    with pytest.raises(StorageFull):
        room.require(members(a=(600, GZIP), b=(600, PLAIN)), ["a"], ["b"])


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a": (100, GZIP)}, "needs 100 bytes, and"),
        ({"a": (256, PLAIN)}, "needs up to 257 bytes, and"),
        ({"a": (256, PLAIN), "b": (100, GZIP)}, "needs 100 to 357 bytes, and"),
        ({"a": (256, BZIP2), "b": (100, GZIP)}, "needs at least 100 bytes, and"),
    ],
)
def test_both_bounds_are_stated_if_the_disk_fills_later(
    room: Room, free: dict[str, int], files: dict[str, tuple[int, bytes]], words: str
) -> None:
    room.require(members(**files), files)
    free["bytes"] = 7
    error = room.explained(StorageFull("file: full"))
    assert error.message == f"file: full: the import {words} 7 bytes are free"


def test_nothing_is_said_about_an_import_of_unknown_size(room: Room) -> None:
    error = StorageFull("full")
    assert room.explained(error) is error
