from __future__ import annotations

import os
from typing import TYPE_CHECKING

from store.files import page_cache as pages

if TYPE_CHECKING:
    from pathlib import Path

DATA = os.urandom(3 * pages.WRITE_BYTES + 7)


class Reluctant:
    """A raw file that takes a little at a time."""

    def __init__(self) -> None:
        self.taken = bytearray()
        self.largest = 0

    def write(self, data: memoryview) -> int:
        self.largest = max(self.largest, len(data))
        step = min(len(data), 100_000)
        self.taken += data[:step]
        return step


def test_every_byte_is_written_however_little_a_file_takes_at_once() -> None:
    file = Reluctant()
    pages.write_all(file, DATA)  # type: ignore[arg-type]  # it has what is needed of a raw file
    assert file.taken == DATA
    assert file.largest == pages.WRITE_BYTES


def test_bytes_are_written_at_their_place(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w+b", buffering=0) as file:
        pages.write_at(file.fileno(), DATA, 5)
        pages.write_at(file.fileno(), b"", 10**9)
        pages.begin_writeback(file.fileno(), 5, len(DATA))
    assert (tmp_path / "file").read_bytes() == bytes(5) + DATA


def test_writeback_of_what_is_no_file_is_no_error() -> None:
    reader, writer = os.pipe()
    pages.begin_writeback(writer, 0, 10)
    os.close(reader)
    os.close(writer)
