from __future__ import annotations

import hashlib
import os
import threading
from typing import TYPE_CHECKING

import pytest

from store.backup.copying import Crew, FileWriter, Hasher, StoppedError, file_sha256
from store.model.limits import MIB

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("size", [0, 5, 5 * MIB])
def test_bytes_are_written_and_hashed(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    with (tmp_path / "x").open("wb") as file, Hasher("sha256", size) as hasher:
        writer = FileWriter(file.fileno())
        for start in range(0, size, MIB):
            hasher.passed(data[start : start + MIB], writer.write)
    assert hasher.size_bytes == size
    assert hasher.hexdigest() == hashlib.sha256(data).hexdigest() == file_sha256(tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == data


def test_an_error_of_the_writer_ends_the_copy() -> None:
    def fail(_: memoryview) -> None:
        raise OSError(28, "full")

    with pytest.raises(OSError, match="full"), Hasher("sha512", 5 * MIB) as hasher:
        hasher.passed(bytes(MIB), fail)


def test_large_files_are_written_back_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[tuple[int, int]] = []
    monkeypatch.setattr(
        "store.backup.copying.begin_writeback", lambda _, start, size: begun.append((start, size))
    )
    with (tmp_path / "x").open("wb") as file:
        writer = FileWriter(file.fileno())
        for _ in range(65):
            writer.write(memoryview(bytes(MIB)))
    assert begun == [(0, 32 * MIB), (32 * MIB, 32 * MIB)]


def test_results_come_in_order() -> None:
    assert list(Crew().run(lambda number: number * 2, range(100))) == list(range(0, 200, 2))


def test_the_first_error_stops_all_threads() -> None:
    crew, started = Crew(), threading.Event()

    def act(number: int) -> None:
        if number == 1:
            started.wait()
            raise ValueError
        started.set()
        while True:
            crew.check()

    with pytest.raises((ValueError, StoppedError)):
        # The first item runs until the second one fails.
        for _ in crew.run(act, (1, 2)):
            pass
    with pytest.raises(StoppedError):
        crew.check()
