from __future__ import annotations

import ctypes
import errno
import os
from typing import TYPE_CHECKING, Any

import pytest

from store.files import page_cache
from store.files.page_cache import (
    WRITE_BYTES,
    begin_writeback,
    read_if_cached,
    reserve,
    write_all,
    write_at,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DATA = os.urandom(3 * WRITE_BYTES + 7)


class Reluctant:
    """A raw file that accepts only a few bytes at a time."""

    def __init__(self) -> None:
        self.taken = bytearray()
        self.largest = 0

    def write(self, data: memoryview) -> int:
        self.largest = max(self.largest, len(data))
        step = min(len(data), 100_000)
        self.taken += data[:step]
        return step


def failing(number: int) -> Callable[..., int]:
    def call(*_arguments: Any) -> int:  # noqa: ANN401 - whatever the call takes
        ctypes.set_errno(number)
        return -1

    return call


def test_every_byte_is_written_however_little_a_file_takes_at_once() -> None:
    file = Reluctant()
    write_all(file, DATA)  # type: ignore[arg-type]  # it has the one method that is used
    assert file.taken == DATA
    assert file.largest == WRITE_BYTES


def test_bytes_are_written_at_their_place(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w+b", buffering=0) as file:
        write_at(file.fileno(), DATA, 5)
        write_at(file.fileno(), b"", 10**9)
        begin_writeback(file.fileno(), 5, len(DATA))
    assert (tmp_path / "file").read_bytes() == bytes(5) + DATA


def test_reserved_room_reads_as_zeros_until_it_is_written(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w+b", buffering=0) as file:
        reserve(file.fileno(), 0, 1000)
        write_at(file.fileno(), b"end", 997)
    assert (tmp_path / "file").read_bytes() == bytes(997) + b"end"


def test_writeback_of_a_pipe_does_nothing() -> None:
    reader, writer = os.pipe()
    begin_writeback(writer, 0, 10)
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
def test_hints_that_the_file_system_does_not_know_are_left_out(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_fallocate", "_sync_file_range"):
        monkeypatch.setattr(page_cache, name, failing(number))
    reserve(0, 0, 1)
    begin_writeback(0, 0, 1)


def test_a_full_disk_is_found_when_room_is_reserved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_cache, "_fallocate", failing(errno.ENOSPC))
    with pytest.raises(OSError, match="No space left") as caught:
        reserve(0, 0, 1)
    assert caught.value.errno == errno.ENOSPC
    reserve(0, 0, 0)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_write_that_the_disk_refused_is_reported_at_once(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_cache, "_sync_file_range", failing(number))
    with pytest.raises(OSError, match=os.strerror(number)):
        begin_writeback(0, 0, 1)


def test_a_writeback_that_can_begin_later_is_not_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(page_cache, "_sync_file_range", failing(errno.EAGAIN))
    begin_writeback(0, 0, 1)


def test_the_pages_of_a_written_file_are_in_memory_until_they_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.write(DATA)
        os.fsync(file.fileno())
    with path.open("rb") as file:
        assert page_cache.is_cached(file.fileno(), 0)
        assert page_cache.is_cached(file.fileno(), len(DATA))
        page_cache.drop(file.fileno(), 0, len(DATA))
        assert file.read() == DATA


def test_a_page_that_needs_the_disk_is_not_cached(monkeypatch: pytest.MonkeyPatch) -> None:
    def blocking(*_arguments: object) -> int:
        raise BlockingIOError

    def unsupported(*_arguments: object) -> int:
        raise OSError(errno.EOPNOTSUPP, "")

    monkeypatch.setattr(os, "preadv", blocking)
    assert not page_cache.is_cached(0, 0)
    monkeypatch.setattr(os, "preadv", unsupported)
    assert page_cache.is_cached(0, 0)
    monkeypatch.delattr(os, "RWF_NOWAIT")
    assert page_cache.is_cached(0, 0)


def test_a_hint_that_fails_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    page_cache.drop(-1, 0, 1)
    monkeypatch.delattr(os, "posix_fadvise")
    page_cache.drop(-1, 0, 1)


def test_only_bytes_in_memory_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    with path.open("rb") as file:
        assert read_if_cached(file, 10, 5) in {DATA[5:15], None}
        assert read_if_cached(file, 10, len(DATA)) is None

        def cold(*_: object) -> int:
            raise BlockingIOError

        monkeypatch.setattr(os, "preadv", cold)
        assert read_if_cached(file, 10, 5) is None
