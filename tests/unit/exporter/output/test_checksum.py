"""The SHA-256 and the length of what is written."""

from __future__ import annotations

import hashlib
import io
import os
from typing import TYPE_CHECKING

import pytest

from exporter.output.checksum import Measuring, is_readable, sha256_of

if TYPE_CHECKING:
    from pathlib import Path

DATA = os.urandom(700_001)


class Slow(io.RawIOBase):
    """A sink that takes at most 1000 bytes a call."""

    def __init__(self) -> None:
        super().__init__()
        self.data = b""

    def write(self, data: object, /) -> int:
        taken = bytes(memoryview(data)[:1000])  # type: ignore[arg-type]
        self.data += taken
        return len(taken)


@pytest.mark.parametrize("hashes", [True, False])
def test_all_bytes_are_written_and_measured(hashes: bool) -> None:
    sink = Slow()
    measuring = Measuring(sink, hashes=hashes)
    for start in range(0, len(DATA), 300_000):
        piece = DATA[start : start + 300_000]
        assert measuring.write(memoryview(piece)) == len(piece)
    assert sink.data == DATA
    assert measuring.size_bytes == len(DATA)
    assert measuring.sha256 == (hashlib.sha256(DATA).hexdigest() if hashes else None)


def test_a_part_of_a_file_is_hashed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before" + DATA + b"after")
    with path.open("r+b") as file:
        assert is_readable(file.fileno())
        assert sha256_of(file.fileno(), 6, len(DATA)) == hashlib.sha256(DATA).hexdigest()
        end = sha256_of(file.fileno(), 6 + len(DATA), 1000)
    assert end == hashlib.sha256(b"after").hexdigest()
    with path.open("wb") as file:
        assert not is_readable(file.fileno())
