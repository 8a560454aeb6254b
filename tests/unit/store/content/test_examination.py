from __future__ import annotations

import errno
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from store.blobs.directory import DirectoryBlobs
from store.blobs.memory import MemoryBlobs
from store.blobs.open_file import OpenFile
from store.content.examination import Condition, examine, is_unchanged, pieces
from store.files.os_errors import translate
from store.model.contents import ContentState, Sources
from store.model.digests import Digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from store.blobs.protocol import OpenBlob

DATA = bytes(range(256)) * 9000  # more than two reads
DIGEST = Digest.of(DATA)
SOURCES = Sources(DIGEST, len(DATA), ContentState.PRESENT, None, in_file=True, encodings=())


@pytest.fixture
def blobs(tmp_path: Path) -> DirectoryBlobs:
    (tmp_path / "staged").write_bytes(DATA)
    found = DirectoryBlobs(tmp_path)
    found.publish([(tmp_path / "staged", found.location(DIGEST))])
    return found


def test_only_a_wrong_digest_is_damage(blobs: DirectoryBlobs) -> None:
    assert examine(blobs, SOURCES).condition is Condition.SOUND
    for wrong in (DATA[:-1], DATA + b"x", b"", DATA[:-1] + b"\0"):
        blobs.path(DIGEST).write_bytes(wrong)
        found = examine(blobs, SOURCES)
        assert (found.condition, found.size_bytes) == (Condition.DAMAGED, len(wrong))
        assert f"{len(wrong)} of {len(DATA)} bytes" in found.reason


def test_the_caller_may_read_the_bytes(blobs: DirectoryBlobs) -> None:
    read: list[int] = []

    def noted(blob: OpenBlob) -> Iterator[bytes]:
        for piece in pieces(blob):
            read.append(len(piece))
            yield piece

    assert examine(blobs, SOURCES, noted).condition is Condition.SOUND
    assert len(read) > 2
    assert sum(read) == len(DATA)


def test_bytes_in_the_catalogue_are_hashed() -> None:
    inline = replace(SOURCES, inline=DATA, in_file=False)
    assert examine(MemoryBlobs(), inline).condition is Condition.SOUND
    assert examine(MemoryBlobs(), replace(inline, inline=b"x")).condition is Condition.DAMAGED


def test_a_missing_file_is_not_damage(blobs: DirectoryBlobs) -> None:
    blobs.path(DIGEST).unlink()
    assert examine(blobs, SOURCES).condition is Condition.MISSING
    blobs.path(DIGEST).symlink_to("elsewhere")
    assert examine(blobs, SOURCES).condition is Condition.MISSING
    blobs.path(DIGEST).unlink()
    blobs.path(DIGEST).mkdir()
    assert examine(blobs, SOURCES).condition is Condition.MISSING


def test_without_the_folder_nothing_is_known(blobs: DirectoryBlobs, tmp_path: Path) -> None:
    (tmp_path / "blobs").rename(tmp_path / "away")
    found = examine(blobs, SOURCES)
    assert found.condition is Condition.UNREADABLE
    assert "is missing" in found.reason


@pytest.mark.parametrize(
    "number", [errno.EIO, errno.EACCES, errno.EMFILE, errno.ENOMEM, errno.ESTALE, errno.EISDIR]
)
@pytest.mark.parametrize("place", [(OpenFile, "read"), (DirectoryBlobs, "open")])
def test_an_error_of_the_system_says_nothing_about_the_bytes(
    blobs: DirectoryBlobs,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    place: tuple[type, str],
) -> None:
    def fail(*_: object) -> None:
        raise translate(OSError(number, os.strerror(number)), "blob")

    monkeypatch.setattr(*place, fail)
    found = examine(blobs, SOURCES)
    assert found.condition is Condition.UNREADABLE
    assert os.strerror(number) in found.reason


def test_too_little_memory_says_nothing_about_the_bytes(
    blobs: DirectoryBlobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(OpenFile, "read", fail)
    assert examine(blobs, SOURCES).condition is Condition.UNREADABLE


def test_a_file_that_was_replaced_is_not_the_one_that_was_read(blobs: DirectoryBlobs) -> None:
    stamp = examine(blobs, SOURCES).stamp
    assert is_unchanged(blobs, DIGEST, stamp)
    other = blobs.path(DIGEST).with_name("other")
    other.write_bytes(DATA)
    other.replace(blobs.path(DIGEST))
    assert not is_unchanged(blobs, DIGEST, stamp)
    blobs.path(DIGEST).unlink()
    assert not is_unchanged(blobs, DIGEST, stamp)
