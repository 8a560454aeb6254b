"""Layers of a layout are begun with ahead of their turn: what is wrong is told in turn all the same, and nothing stays of what nobody waits for."""

from __future__ import annotations

import bz2
import hashlib
import io
import random
import threading
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING

import pytest

from store import ImportOptions, Store, errors
from store.importing.workers import Pool
from tests.support import tars
from tests.support.images import A, B, layer
from tests.support.layouts import Layout, gzip, plain
from tests.support.processes import open_files
from tests.support.waiting import PATIENCE_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def big(seed: int) -> bytes:
    return layer(f"file-{seed}", random.Random(seed).randbytes(1 << 20))


def damaged(layout: Layout, plain: bytes) -> str:
    """Flip a byte in the middle of the gzip of ``plain``; its digest."""
    name = next(name for name, data in layout.blobs.items() if data == gzip(plain).data)
    data = bytearray(layout.blobs[name])
    data[len(data) // 2] ^= 1
    layout.blobs[name] = bytes(data)
    return name


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_layers_come_in_whole_however_many_pass_at_once(tmp_path: Path, workers: int) -> None:
    layers = [big(seed) for seed in range(5)]
    layout = Layout()
    layout.root(layout.image(*map(gzip, layers)), "docker.io/library/app:1")
    with Store.open(tmp_path / "store", create=True) as store:
        report = store.import_archive(
            layout.folder(tmp_path / "layout"), ImportOptions(workers=workers)
        )
        assert report.new_layers == 5
        assert not list(store.fsck())


def test_of_two_damaged_layers_the_first_is_told_and_nothing_stays(tmp_path: Path) -> None:
    layers = [A, big(1), big(2), B]
    layout = Layout()
    layout.root(layout.image(*map(gzip, layers)), "docker.io/library/app:1")
    first, _second = damaged(layout, layers[1]), damaged(layout, layers[2])
    with Store.open(tmp_path / "store", create=True) as store:
        with pytest.raises(errors.InvalidInput) as caught:
            store.import_archive(layout.folder(tmp_path / "layout"))
        assert first in str(caught.value.message) or first in str(vars(caught.value))
        assert not store.images()
    assert list((tmp_path / "store" / "staging").iterdir()) == []
    assert [path for path in (tmp_path / "store" / "blobs").rglob("*") if path.is_file()] == []


def test_what_runs_ahead_ends_when_nobody_waits_for_it() -> None:
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


def test_a_blob_that_does_not_decode_is_closed_at_once(tmp_path: Path) -> None:
    # Its error is kept for as long as it may matter, and with it what the decoder was reading.
    broken = bz2.compress(random.Random(1).randbytes(200_000))[:-40] + bytes(40)
    stray = tars.member(b"blobs/sha256/" + hashlib.sha256(broken).hexdigest().encode(), broken)
    with Store.open(tmp_path / "store", create=True) as store:
        try:
            store.import_archive(io.BytesIO(stray + bytes(1024)))
        except errors.InvalidInput:
            held = open_files()
        assert not [
            target
            for target in held
            if target.startswith(str(tmp_path)) and target.endswith(" (deleted)")
        ]


def test_a_file_whose_layer_does_not_decode_is_closed_at_once(tmp_path: Path) -> None:
    layout = Layout()
    damaged_bzip2 = bz2.compress(random.Random(2).randbytes(9 << 20))
    layout.root(
        layout.image(plain(damaged_bzip2[:1000] + bytes(len(damaged_bzip2) - 1000))),
        "docker.io/library/app:1",
    )
    folder = layout.dir_folder(tmp_path / "folder")
    with Store.open(tmp_path / "store", create=True) as store:
        try:
            store.import_archive(folder)
        except errors.InvalidInput:
            held = open_files()
        assert not [target for target in held if target.startswith(str(folder))]
