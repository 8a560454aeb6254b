"""The threads of an operation, and what they leave behind."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import threading
from typing import TYPE_CHECKING, BinaryIO

import pytest

from store.errors import StoreError
from store.importing import workers
from store.importing.sinks import KeptSink
from store.importing.workers import Pool
from tests.support.processes import open_files
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_dropped_with_the_pool_does_not_stay_open(tmp_path: Path) -> None:
    pool = Pool(1)
    busy = threading.Event()
    # The lane that syncs is kept busy, so that nothing behind has begun when the pool is closed.
    pool._syncs.submit(busy.wait)
    staged = tmp_path / "staged"
    with staged.open("wb", buffering=0) as file:
        for _ in range(3):
            pool.sync(file, staged)
    assert str(staged) in set(open_files())
    threading.Timer(0.2, busy.set).start()
    pool.close()
    assert str(staged) not in set(open_files())


def test_what_cannot_be_made_durable_is_said_with_the_files_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    staged = tmp_path / "staged"
    with Pool(1) as pool, staged.open("wb", buffering=0) as file:
        with pytest.raises(StoreError, match=re.escape(str(staged))):
            # As soon as it has failed, and at the latest when it is waited for.
            pool.sync(file, staged)
            pool.durable()
        # Whoever asks later is told as well: the disk would not say so again.
        for _ in range(2):
            with pytest.raises(StoreError, match=re.escape(str(staged))):
                pool.durable()
    assert str(staged) not in set(open_files())


def test_what_is_durable_is_forgotten(tmp_path: Path) -> None:
    with Pool(1) as pool, (tmp_path / "staged").open("wb", buffering=0) as file:
        for _ in range(50):
            pool.sync(file, tmp_path / "staged")
            pool._syncs.submit(int).result()
            assert len(pool._syncing) <= 2


def test_files_that_come_faster_than_the_disk_do_not_all_stay_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_UNSYNCED_FILES", 8)
    staged = tmp_path / "staged"
    all_came = threading.Event()
    most = 0
    with Pool(1) as pool, staged.open("wb", buffering=0) as file:

        def slow(_descriptor: int) -> None:
            # One is done when one too many waits, and not before.
            until(lambda: len(pool._syncing) > 8 or all_came.is_set())

        monkeypatch.setattr(os, "fsync", slow)
        for _ in range(30):
            pool.sync(file, staged)
            most = max(most, sum(one == str(staged) for one in open_files()))
        all_came.set()
        pool.durable()
    assert 8 <= most <= 11


def test_pieces_stay_in_order_when_other_layers_come_and_go(tmp_path: Path) -> None:
    pieces = [bytes([number]) * 1000 for number in range(40)]
    come, left = threading.Event(), threading.Event()
    full: list[bool] = []
    with Pool(2) as pool, (tmp_path / "staged").open("wb", buffering=0) as file:

        def other() -> None:
            come.set()
            left.wait(PATIENCE_S)

        def layer() -> tuple[str, str]:
            sink = KeptSink(file, pool)
            beside = None
            for number, piece in enumerate(pieces):
                if number == 10:
                    beside = pool.prefetch(other)
                    come.wait(PATIENCE_S)
                if number == 30 and beside is not None:
                    left.set()
                    beside.result()
                full.append(pool.is_full)
                sink.feed_stored(piece)
                sink.feed(piece[::-1] + b"!")
            diff, stored = sink.finish()
            assert (diff.size_bytes, stored.size_bytes) == (40 * 1001, 40 * 1000)
            return diff.digest.hex, stored.digest.hex

        diff, stored = pool.prefetch(layer).result()
    # The first and the last ten pieces went to the lanes, those between were dealt with at once:
    # every core had a layer.
    assert full == [False] * 10 + [True] * 20 + [False] * 10
    assert (tmp_path / "staged").read_bytes() == b"".join(pieces)
    assert stored == hashlib.sha256(b"".join(pieces)).hexdigest()
    assert diff == hashlib.sha256(b"".join(piece[::-1] + b"!" for piece in pieces)).hexdigest()


def test_the_disk_failing_is_told_by_whoever_brought_the_piece(tmp_path: Path) -> None:
    (tmp_path / "staged").write_bytes(b"")
    for threads in (1, 2):
        with Pool(threads) as pool, (tmp_path / "staged").open("rb", buffering=0) as file:

            def layer(pool: Pool = pool, file: BinaryIO = file) -> None:
                sink = KeptSink(file, pool)
                sink.feed_stored(b"cannot be written")
                sink.finish()

            with pytest.raises(OSError, match="not open for writing"):
                pool.prefetch(layer).result()
