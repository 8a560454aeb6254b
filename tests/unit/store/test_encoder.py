"""The threads of an operation, and what they leave behind."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from store.encoder import Pool

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_dropped_with_the_pool_does_not_stay_open(tmp_path: Path) -> None:
    pool = Pool(1)
    busy = threading.Event()
    # The lane that syncs is kept busy, so that nothing behind has begun when the pool is closed.
    pool._syncs.submit(busy.wait)
    with (tmp_path / "staged").open("wb", buffering=0) as file:
        waiting = [pool.sync(file) for _ in range(3)]
    threading.Timer(0.2, busy.set).start()
    pool.close()
    assert [future.cancelled() for future in waiting] == [True] * 3
    assert [target for target in map(target_of, os.listdir("/proc/self/fd")) if target == str(tmp_path / "staged")] == []


def target_of(descriptor: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        # The one that listed them.
        return ""
