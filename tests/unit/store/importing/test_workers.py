"""The worker threads of an import."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import threading
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, BinaryIO

import pytest
import zstandard

from store.errors import StoreError
from store.importing import workers
from store.importing.sinks import KeptSink
from store.importing.workers import Pool
from tests.support.processes import open_files
from tests.support.waiting import PATIENCE_S, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_a_file_whose_sync_is_dropped_with_the_pool_is_closed(tmp_path: Path) -> None:
    pool = Pool(1)
    busy = threading.Event()
    # Keep the syncing thread busy, so that no sync has begun when the pool is closed.
    pool._syncs.submit(busy.wait)
    staged = tmp_path / "staged"
    with staged.open("wb", buffering=0) as file:
        for _ in range(3):
            pool.sync(file, staged)
    assert str(staged) in set(open_files())
    threading.Timer(0.2, busy.set).start()
    pool.close()
    assert str(staged) not in set(open_files())


def test_a_file_that_cannot_be_synced_is_named_in_every_later_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fail)
    staged = tmp_path / "staged"
    with Pool(1) as pool, staged.open("wb", buffering=0) as file:
        with pytest.raises(StoreError, match=re.escape(str(staged))):
            # The error is raised once the sync has failed, at the latest in `durable`.
            pool.sync(file, staged)
            pool.durable()
        # Later calls raise the same error, because the disk would not report it again.
        for _ in range(2):
            with pytest.raises(StoreError, match=re.escape(str(staged))):
                pool.durable()
    assert str(staged) not in set(open_files())


def test_finished_syncs_are_forgotten(tmp_path: Path) -> None:
    with Pool(1) as pool, (tmp_path / "staged").open("wb", buffering=0) as file:
        for _ in range(50):
            pool.sync(file, tmp_path / "staged")
            pool._syncs.submit(int).result()
            assert len(pool._syncing) <= 2


def test_the_number_of_files_that_wait_for_sync_is_limited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_UNSYNCED_FILES", 8)
    staged = tmp_path / "staged"
    all_came = threading.Event()
    most = 0
    with Pool(1) as pool, staged.open("wb", buffering=0) as file:

        def slow(_descriptor: int) -> None:
            # A sync ends once more files wait than the limit allows.
            until(lambda: len(pool._syncing) > 8 or all_came.is_set())

        monkeypatch.setattr(os, "fsync", slow)
        for _ in range(30):
            pool.sync(file, staged)
            most = max(most, sum(one == str(staged) for one in open_files()))
        all_came.set()
        pool.durable()
    assert 8 <= most <= 11


def test_pieces_stay_in_order_while_the_pool_fills_and_empties(tmp_path: Path) -> None:
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
    # While every core had a layer, the pieces were written at once. The first and the last ten
    # pieces went to the lanes.
    assert full == [False] * 10 + [True] * 20 + [False] * 10
    assert (tmp_path / "staged").read_bytes() == b"".join(pieces)
    assert stored == hashlib.sha256(b"".join(pieces)).hexdigest()
    assert diff == hashlib.sha256(b"".join(piece[::-1] + b"!" for piece in pieces)).hexdigest()


def test_an_error_of_the_disk_is_raised_in_the_thread_that_feeds(tmp_path: Path) -> None:
    (tmp_path / "staged").write_bytes(b"")
    for threads in (1, 2):
        with Pool(threads) as pool, (tmp_path / "staged").open("rb", buffering=0) as file:

            def layer(pool: Pool = pool, file: BinaryIO = file) -> None:
                sink = KeptSink(file, pool)
                sink.feed_stored(b"cannot be written")
                sink.finish()

            with pytest.raises(OSError, match="not open for writing"):
                pool.prefetch(layer).result()


def test_a_prefetched_layer_ends_when_the_pool_is_closed() -> None:
    running = threading.Event()

    def endless() -> Iterator[bytes]:
        while True:
            running.set()
            yield b"more"

    with Pool(2) as pool:
        future = pool.prefetch(lambda: sum(len(piece) for piece in pool.until_closed(endless())))
        assert running.wait(PATIENCE_S)
    assert isinstance(
        future.exception() if not future.cancelled() else CancelledError(), CancelledError
    )


def test_a_frame_does_not_depend_on_the_thread_that_encodes_it() -> None:
    data = b"".join(b"%d" % number for number in range(10_000))
    with Pool(2) as pool:
        frame = pool.compress(data, 1).result()
        assert frame == pool.compress_now(data, 1)
        assert frame != pool.compress_now(data, 19)
    parameters = zstandard.get_frame_parameters(frame)
    assert (parameters.content_size, parameters.has_checksum) == (len(data), True)
